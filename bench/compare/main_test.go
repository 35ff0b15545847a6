package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/bench/contender"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFlagsSayWhatIsWrongWithThem(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-rounds 0":     "rounds 0",
		"-net-rounds 0": "net-rounds 0",
		"-benchtime 0s": "benchtime 0s",
		"-load 1500ms":  "load 1.5s",
		"-only (":       "missing closing",
		"-mode half":    `mode "half"`,
		"HTTP":          `argument "HTTP"`,
	} {
		if _, err := parseFlags(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one that says %s", args, err, want)
		}
	}
}

func TestAServerIsLoadedAndItsAnswersAreChecked(t *testing.T) {
	t.Parallel()
	for _, method := range []string{contender.GET, contender.POST} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			stdin, hold := io.Pipe()
			out, stdout := io.Pipe()
			ended := make(chan error, 1)
			go func() {
				ended <- run(t.Context(), []string{"-serve", contender.Ours, "-mode", "sampled"}, stdin, stdout, io.Discard)
			}()
			line := make([]byte, 64)
			n, err := out.Read(line)
			if err != nil {
				t.Fatal(err)
			}
			r, err := contender.NewRequest(method)
			if err != nil {
				t.Fatal(err)
			}
			g := generator{address: strings.TrimSpace(string(line[:n])), request: r}

			answered, err := g.run(t.Context(), time.Millisecond)

			if err != nil || answered < connections {
				t.Errorf("got %v answers and error %v, want at least %d", answered, err, connections)
			}
			g.request.Answer = "something else"
			if _, err := g.run(t.Context(), time.Millisecond); err == nil {
				t.Error("got no error, want the answer refused")
			}
			if err := hold.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAContenderThatDoesNotExistIsNamed(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), []string{"-serve", "gin"}, strings.NewReader(""), new(bytes.Buffer), io.Discard)
	if err == nil || !strings.Contains(err.Error(), `contender "gin"`) {
		t.Errorf("got %v, want the contender named", err)
	}
}

func TestABusyMachineIsNamed(t *testing.T) {
	t.Parallel()
	for load, want := range map[string]bool{"0.01": false, "999.00": true, "unknown": false} {
		var b bytes.Buffer
		(&machine{load: load}).describe(&b, flags{}, time.Now())
		if got := strings.Contains(b.String(), "was busy"); got != want {
			t.Errorf("load %s: got %t, want %t in %s", load, got, want, &b)
		}
	}
}

func TestProgramsThatFailSayWhy(t *testing.T) {
	t.Parallel()
	m := look(t.TempDir(), io.Discard)

	_, err := m.command(t.Context(), "go", "nonsense")

	if err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("got %v, want what the program said", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := m.command(ended, "go", "version"); err == nil {
		t.Error("got no error of a program after the end of its context")
	}
}
