package zerolog_test

import (
	"io"
	"os"
	"testing"

	plog "github.com/beatlabs/patron/log"
	pzerolog "github.com/beatlabs/patron/log/zerolog"
	"go.uber.org/goleak"
)

// childMode is the variable that makes this test binary a child that calls Fatal.
const childMode = "PATRON_ZEROLOG_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		level, err := plog.ParseLevel(mode)
		if err != nil {
			panic(err)
		}
		mustNew(os.Stderr, level, nil).Fatal("the end")
		os.Exit(0) // reached only if Fatal did not end the process
	}
	goleak.VerifyTestMain(m)
}

func mustNew(w io.Writer, level plog.Level, fields map[string]any, oo ...pzerolog.OptionFunc) *plog.Leveled {
	l, err := pzerolog.New(w, level, fields, oo...)
	if err != nil {
		panic(err)
	}
	return l
}

func assertEqual[T comparable](tb testing.TB, what string, got, want T) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s: got %v, want %v", what, got, want)
	}
}
