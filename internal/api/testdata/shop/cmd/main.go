// Command cmd cannot be imported.
package main

// Exported is not part of the API.
const Exported = 1

func main() {}
