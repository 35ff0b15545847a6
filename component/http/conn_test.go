package http

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pipeConn is a conn over one end of a pipe, as the server has it.
func pipeConn() (c *conn, client net.Conn) {
	client, server := net.Pipe()
	set := newConnSet()
	c = &conn{Conn: server, set: set, born: time.Now(), timeouts: timeouts{read: 5 * time.Second, readHeader: 5 * time.Second, write: 10 * time.Second}}
	set.add(c)
	return c, client
}

func TestBytesThatComeWhileAConnectionIsDismissedWin(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]connState{"fresh": fresh, "idle": idle} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, client := pipeConn()
				c.state.Store(state)
				read := make(chan error, 1)
				// The read has got its bytes when the connection is dismissed, and has not said so yet: nobody can be that fast, so the test is.
				c.Conn = readBefore{Conn: c.Conn, then: func() { c.dismiss(state) }}
				go func() {
					_, err := c.Read(make([]byte, 100))
					read <- err
				}()
				_, _ = io.WriteString(client, "GET / HTTP/1.1\r\n")

				if err := <-read; err != nil || c.state.Load() != receiving {
					t.Fatalf("Read: got %v, state %d; want the bytes, and the state receiving", err, c.state.Load())
				}
				// What follows is read, too, until the time for a header is over.
				go func() { _, _ = io.WriteString(client, "Host: x\r\n") }()
				c.Conn = c.Conn.(readBefore).Conn
				if _, err := c.Read(make([]byte, 100)); err != nil {
					t.Errorf("the next Read: %v", err)
				}
				begin := time.Now()
				if _, err := c.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 5*time.Second {
					t.Errorf("the last Read: got %v after %v, want a deadline after 5s", err, time.Since(begin))
				}
			})
		})
	}
}

// readBefore calls a function when a read has got its bytes.
type readBefore struct {
	net.Conn
	then func()
}

func (r readBefore) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.then()
	return n, err
}

func TestADismissedConnectionReadsNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, before := range []bool{true, false} {
			c, _ := pipeConn()
			c.state.Store(idle)
			if before {
				c.dismiss(idle)
				// net/http sets the deadline for idling only now.
				_ = c.SetReadDeadline(time.Now().Add(time.Hour))
			} else {
				time.AfterFunc(time.Second, func() { c.dismiss(idle) })
			}
			begin := time.Now()
			if _, err := c.Read(make([]byte, 1)); err == nil || time.Since(begin) > time.Second {
				t.Errorf("Read: got %v after %v, want an error at once", err, time.Since(begin))
			}
		}
	})
}

func TestARequestThatWasReadWithTheOneBeforeIsServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := pipeConn()
		c.state.Store(idle)
		c.dismiss(idle)
		c.follow(http.StateActive)
		go func() {
			time.Sleep(time.Hour)
			_ = c.Close()
		}()
		begin := time.Now()
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Hour {
			t.Errorf("Read: got %v after %v, want no deadline", err, time.Since(begin))
		}
	})
}

func TestAByteOfTheNextRequestKeepsAConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, client := pipeConn()
		c.follow(http.StateActive)
		go func() { _, _ = io.WriteString(client, "G") }()
		if _, err := c.Read(make([]byte, 1)); err != nil { // as net/http watches
			t.Fatal(err)
		}
		c.follow(http.StateIdle)
		c.dismiss(idle)
		if state := c.state.Load(); state != receiving {
			t.Errorf("state: got %d, want receiving", state)
		}
	})
}

func TestTheDeadlineOfABodyIsTakenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, client := pipeConn()
		b := &body{conn: c, timeout: time.Second}
		begin := time.Now()
		c.beginBody(b)
		if _, err := c.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
			t.Fatalf("Read of a body: got %v after %v, want a deadline after 1s", err, time.Since(begin))
		}
		c.endBody()
		c.endBody() // a second time does nothing
		go func() {
			time.Sleep(time.Hour)
			_, _ = io.WriteString(client, "G")
		}()
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Errorf("Read after the body: got %v, want no deadline", err)
		}
		c.arm(b) // the watcher was late: the body is read already
		go func() {
			time.Sleep(time.Hour)
			_, _ = io.WriteString(client, "G")
		}()
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Errorf("Read after a late watcher: got %v, want no deadline", err)
		}
	})
}

func TestWhoFollowsAConnection(t *testing.T) {
	t.Parallel()
	c, _ := pipeConn()
	if connOf(wrapped{wrapped{c}}) != c {
		t.Error("connOf: want the conn below two wrappers")
	}
	if connOf(wrapped{}) != nil || connOf(c.Conn) != nil {
		t.Error("connOf of a foreign connection: want nil")
	}
	if err := c.CloseWrite(); err != nil {
		t.Errorf("CloseWrite of a pipe: got %v, want nil", err)
	}
	c.follow(http.StateNew)
	if c.set.count(fresh) != 1 {
		t.Errorf("fresh connections: got %d, want 1", c.set.count(fresh))
	}
	c.follow(http.StateClosed)
	c.follow(http.StateClosed)
	c.set.close()
	<-c.set.empty
}

// wrapped is what TLS would be.
type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

// recordingConn counts how files reach the kernel.
type recordingConn struct {
	net.Conn
	files, writes int
	out           bytes.Buffer
	deadlines     int
}

func (r *recordingConn) ReadFrom(src io.Reader) (int64, error) {
	r.files++
	return r.out.ReadFrom(src)
}

func (r *recordingConn) Write(p []byte) (int, error) {
	r.writes++
	return r.out.Write(p)
}

func (r *recordingConn) SetWriteDeadline(time.Time) error {
	r.deadlines++
	return nil
}

func TestFilesAreCopiedByTheKernelAndStreamsAreNot(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("x"), 3*writeChunk+17)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func() *os.File {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	for name, tt := range map[string]struct {
		src    io.Reader
		n      int64
		kernel bool
	}{
		"a file":                   {src: open(), n: int64(len(content)), kernel: true},
		"a part of a file":         {src: io.LimitReader(open(), 2*writeChunk), n: 2 * writeChunk, kernel: true},
		"more than there is":       {src: io.LimitReader(open(), math.MaxInt64), n: int64(len(content)), kernel: true},
		"nothing":                  {src: io.LimitReader(open(), 0), n: 0, kernel: false},
		"a stream":                 {src: struct{ io.Reader }{bytes.NewReader(content)}, n: int64(len(content))},
		"a part of another stream": {src: io.LimitReader(bytes.NewReader(content), 5), n: 5},
	} {
		below := &recordingConn{}
		c := &conn{Conn: below, born: time.Now(), timeouts: timeouts{write: time.Hour}}
		n, err := c.ReadFrom(tt.src)
		if n != tt.n || err != nil || int64(below.out.Len()) != tt.n || (below.files > 0) != tt.kernel || below.deadlines > 1 {
			t.Errorf("%s: got %d, %v, %d bytes, %d files, %d deadlines; want %d bytes", name, n, err, below.out.Len(), below.files, below.deadlines, tt.n)
		}
		if l, ok := tt.src.(*io.LimitedReader); ok && name == "a part of a file" && l.N != 0 {
			t.Errorf("%s: %d are left in the reader, want 0", name, l.N)
		}
	}
}

func FuzzFieldsAreThoseOfTheStandardLibrary(f *testing.F) {
	for _, s := range []string{"", "a=1&a=2", "a", "=", "&&", "a=%zz", "%zz=1", "a;b=1", "a=b=c", "%41=%42", "a=1&%zz&b=2", "+=+"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, _ := url.ParseQuery(query)
		want := make(map[string]string, len(values))
		for name := range values {
			want[name] = values.Get(name)
		}
		got := fields(&http.Request{URL: &url.URL{RawQuery: query}}, nil)
		if len(want) == 0 && len(got) == 0 {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fields of %q (-want +got):\n%s", query, diff)
		}
	})
}

func FuzzLevel(f *testing.F) {
	for _, s := range []string{"", "info", " WARN\n", `{"level":"debug"}`, `{"level":`, `{"level":1}`, "{}", "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		level, err := parseLevel(raw)
		if err != nil {
			return
		}
		if again, err := parseLevel([]byte(level.String())); err != nil || again != level {
			t.Errorf("parseLevel(%q): got %v, which reads as %v, %v", raw, level, again, err)
		}
	})
}
