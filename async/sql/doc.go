// Package sql is a queue in the user's database.
package sql
