package session

import (
	"bufio"
	"bytes"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// variable tells the child that it is the program.
const variable = "GUIDE_PROGRAM"

var update = flag.Bool("update", false, "write what the terminals show anew") //nolint:gochecknoglobals // flags are

// Main is the TestMain of a program: the test binary is the program as well.
func Main(m *testing.M, program func()) {
	if os.Getenv(variable) != "" { //nolint:forbidigo // it is not configuration
		program()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Session is a program that runs.
type Session struct {
	t         *testing.T
	cmd       *exec.Cmd
	stderr    chan string // the lines
	shown     []string    // lines that came
	stdout    bytes.Buffer
	addresses map[string]string // host:port of the guide → the one it has here
	ids       ids
}

// timeout is how long a line may take to come, on a machine that does much else.
const timeout = 30 * time.Second

var listening = regexp.MustCompile(`"http":"[^"]+:(\d+)","management":"([^"]+)"`)

// Start starts the program with these variables besides, on free ports, and returns when it serves.
func Start(t *testing.T, environment ...string) *Session {
	t.Helper()
	s := &Session{t: t, stderr: make(chan string, 1000)}
	s.cmd = exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // the test binary itself
	s.cmd.Env = append(append(s.cmd.Environ(), variable+"=1", "PATRON_HTTP_DEFAULT_PORT=0"), environment...)
	s.cmd.Stdout = &s.stdout
	pipe, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.read(pipe)
	m := listening.FindStringSubmatch(s.Await("service started"))
	if m == nil {
		t.Fatalf("the program does not say where it listens: %q", s.shown)
	}
	s.addresses = map[string]string{"localhost:50000": "127.0.0.1:" + m[1], "localhost:51000": m[2]}
	return s
}

func (s *Session) read(pipe io.Reader) {
	defer close(s.stderr)
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		s.stderr <- lines.Text()
	}
}

// Await waits for a line on standard error that holds text, and returns it.
func (s *Session) Await(text string) string {
	s.t.Helper()
	overdue := time.NewTimer(timeout)
	defer overdue.Stop()
	for {
		select {
		case line, ok := <-s.stderr:
			if !ok {
				s.t.Fatalf("the program ended without a line with %q: %q", text, s.shown)
			}
			s.shown = append(s.shown, line)
			if strings.Contains(line, text) {
				return line
			}
		case <-overdue.C:
			s.t.Fatalf("no line with %q in %v: %q", text, timeout, s.shown)
		}
	}
}

// Interrupt stops the program as Ctrl-C does, and compares all that it wrote to standard error with testdata/file. It returns standard output.
func (s *Session) Interrupt(file, command string) string {
	s.t.Helper()
	before := len(s.shown)
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
	s.Await("service stopped")
	for line := range s.stderr {
		s.shown = append(s.shown, line)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the program ended with %v", err)
	}
	all := append([]string{"$ " + command}, s.shown[:before]...)
	all = append(append(all, "^C"), s.shown[before:]...)
	s.Compare(file, strings.Join(all, "\n")+"\n")
	return s.stdout.String()
}

// Compare compares what a terminal shows with testdata/file.
func (s *Session) Compare(file, shown string) {
	s.t.Helper()
	Compare(s.t, file, s.ids.steady(shown))
}

// Compare compares what something showed, and shows the same each time, with testdata/file.
func Compare(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path) //nolint:gosec // a test names its own files
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what is shown, write it anew with go test ./guides/... -update (-want +got):\n%s", path, diff)
	}
}
