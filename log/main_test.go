package log_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		child(mode)
		os.Exit(0) // reached only if Fatal did not end the process
	}
	goleak.VerifyTestMain(m)
}
