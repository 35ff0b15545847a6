// Package till has a name of its own.
package till

// Open is used by package shop.
type Open struct{ At string }
