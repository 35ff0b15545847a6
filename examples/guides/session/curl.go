package session

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Type carries out the commands of testdata/file, the lines that begin with "$ ", and compares what they show with what the file has below them. It knows of
// curl and grep what the guides need, so that neither must be there.
func (s *Session) Type(file string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file)) //nolint:gosec // a test names its own files
	if err != nil {
		s.t.Fatal(err)
	}
	var shown strings.Builder
	for line := range strings.Lines(string(text)) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
		if !ok {
			continue
		}
		out, err := s.execute(command)
		if err != nil {
			s.t.Fatalf("%s: %v", command, err)
		}
		shown.WriteString("$ " + command + "\n" + out)
	}
	s.Compare(file, shown.String())
}

// AwaitAnswer carries out command, a curl, again and again until what it shows holds text: for what the program does behind its answers.
func (s *Session) AwaitAnswer(command, text string) {
	s.t.Helper()
	overdue := time.NewTimer(timeout)
	defer overdue.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		out, err := s.execute(command)
		if err == nil && strings.Contains(out, text) {
			return
		}
		select {
		case <-again.C:
		case <-overdue.C:
			s.t.Fatalf("%s: got %q, %v, want %q within %v", command, out, err, text, timeout)
		}
	}
}

// word matches one word of a command.
var word = regexp.MustCompile(`'[^']*'|\S+`)

func (s *Session) execute(command string) (string, error) {
	command, filter, filtered := strings.Cut(command, " | grep ")
	words := word.FindAllString(command, -1)
	for i, w := range words {
		words[i] = strings.Trim(w, "'")
	}
	if len(words) == 0 || words[0] != "curl" {
		return "", fmt.Errorf("got %q, want curl", command)
	}
	out, err := s.curl(words[1:])
	if err != nil {
		return "", err
	}
	if filtered {
		pattern, err := regexp.Compile(strings.Trim(filter, "'"))
		if err != nil {
			return "", fmt.Errorf("grep: %w", err)
		}
		var kept strings.Builder
		for line := range strings.Lines(out) {
			if pattern.MatchString(line) {
				kept.WriteString(line)
			}
		}
		out = kept.String()
	}
	if out != "" && !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	return out, nil
}

// curl understands -s, -i, -H, -d, -X and a URL.
func (s *Session) curl(args []string) (string, error) {
	method, target, body, head := "", "", "", false
	header := make(http.Header)
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-s":
		case "-i", "-si":
			head = true
		case "-H", "-d", "-X":
			if i++; i == len(args) {
				return "", fmt.Errorf("%s: want a value", args[i-1])
			}
			switch args[i-1] {
			case "-H":
				name, value, _ := strings.Cut(args[i], ":")
				header.Set(name, strings.TrimSpace(value))
			case "-d":
				body = args[i]
			default:
				method = args[i]
			}
		default:
			target = args[i]
		}
	}
	if method == "" {
		method = http.MethodGet
		if body != "" {
			method = http.MethodPost
		}
	}
	if body != "" && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	host, path, _ := strings.Cut(target, "/")
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+host+"/"+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header = header
	return s.send(req, host, head)
}

// send shows a response as it came.
func (s *Session) send(req *http.Request, host string, head bool) (string, error) {
	address, ok := s.addresses[host]
	if !ok {
		return "", fmt.Errorf("got the host %q, want localhost:50000 or localhost:51000", host)
	}
	conn, err := new(net.Dialer).DialContext(req.Context(), "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := req.Write(conn); err != nil {
		return "", err
	}
	var raw bytes.Buffer
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &raw)), req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if !head {
		return string(body), nil
	}
	header, _, _ := strings.Cut(raw.String(), "\r\n\r\n")
	return strings.ReplaceAll(header, "\r\n", "\n") + "\n\n" + string(body), nil
}
