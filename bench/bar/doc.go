// Package bar holds what patron's speed is measured against, once for the table of the command compare and for the tests that gate allocations.
package bar
