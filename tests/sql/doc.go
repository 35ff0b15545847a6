// Package sql tests async/sql with the drivers and the databases that users bring, which the module of the framework does not depend on.
package sql
