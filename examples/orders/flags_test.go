package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
)

func TestFlagsHaveTheDefaultsOfTheContract(t *testing.T) {
	t.Parallel()

	got, err := parseFlags(nil, io.Discard)

	if want := (settings{repeat: 1, stockFailures: true, broker: "sqlite:"}); got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestEveryFlagIsTaken(t *testing.T) {
	t.Parallel()
	args := []string{
		"-load", "-orders", "o", "-rate", "7", "-repeat=3", "-stock-failures=false", "-effects", "e", "--traces", "t", "-broker", "sqlite:f", "-data", "d",
	}

	got, err := parseFlags(args, io.Discard)

	want := settings{load: true, orders: "o", rate: 7, repeat: 3, stockFailures: false, effects: "e", traces: "t", broker: "sqlite:f", data: "d"}
	if got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestBadFlagsAreErrorsThatSayTheValue(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args string
		want []string
	}{
		"unknown":             {"-fast", []string{"-fast"}},
		"argument":            {"-load orders.json", []string{`"orders.json"`}},
		"rate below 0":        {"-load -rate -1", []string{"-rate -1"}},
		"rate that is none":   {"-load -rate x", []string{`"x"`, "-rate"}},
		"no pass":             {"-load -repeat 0", []string{"-repeat 0"}},
		"stock that may":      {"-stock-failures=maybe", []string{`"maybe"`}},
		"orders without load": {"-orders f", []string{"-orders", "-load"}},
		"rate without load":   {"-rate 5", []string{"-rate", "-load"}},
		"repeat without load": {"-repeat 2", []string{"-repeat", "-load"}},
		"several":             {"-load -rate -1 -repeat -2 more", []string{"-rate -1", "-repeat -2", `"more"`}},
		"broker unknown":      {"-broker redis://x", []string{"-broker", "redis://x"}},
		"data of nothing":     {"-broker memory: -data d", []string{"-data", "memory:"}},
		"no value":            {"-effects", []string{"-effects"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := parseFlags(strings.Fields(test.args), io.Discard)

			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
		})
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer

	_, err := parseFlags([]string{"-h"}, &b)

	if !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v, want %v", err, flag.ErrHelp)
	}
	for _, want := range []string{
		"-load", "-orders FILE", "-rate N", "-repeat N", "-stock-failures", "-effects FILE", "-traces FILE", "-broker URL", "-data DIR",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got\n%swant %q in it", b.String(), want)
		}
	}
}
