package main

import (
	"os"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the processes of the runs, which start the program that they are in.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{roleProduce, roleConsume}, os.Args[1]) {
		os.Exit(command(os.Args[1:], os.Stdout))
	}
	goleak.VerifyTestMain(m)
}
