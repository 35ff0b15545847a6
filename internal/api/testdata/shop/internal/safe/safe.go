// Package safe is internal.
package safe

// Exported is not part of the API.
const Exported = 1
