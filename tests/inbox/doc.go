// Package inbox tests async/inbox with the drivers and the databases that users bring, which the module of the framework does not depend on, and with processes
// that are killed.
package inbox
