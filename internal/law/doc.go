// Package law holds the laws of the house as tests: what may link what, which package may import which, what is written in one place only, and what every
// package must have.
//
// The laws stand in tables at the head of each file, with the reason beside each line. A failing law is a question about the design, not about the table: do
// not change the data to fix a build. Where the design itself changes, change the table and docs/decisions.md in the same commit.
//
//   - link_test.go: the foreign modules that end up in a binary, over go list -deps.
//   - order_test.go: the order of our own packages, and the one door of each foreign library.
//   - place_test.go: calls that belong to one place, as the environment, exits, signals, recovery and inbound work.
//   - house_test.go: what every package has (a sentence, an example, a leak check), names, aliases, and the modules side by side.
//   - said_test.go: every exported symbol is documented, and every package has an example that is run.
//
// The tests look at the packages that exist; a line about one that does not is a plan.
package law
