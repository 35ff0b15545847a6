package drain

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// play accepts one connection after another and does with each what its scene says.
func play(tb testing.TB, scenes ...func(*net.TCPConn, *bufio.Reader)) *wire {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer l.Close()
		for _, scene := range scenes {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			scene(conn.(*net.TCPConn), bufio.NewReader(conn))
			conn.Close()
		}
	}()
	w := &wire{addr: l.Addr().String()}
	tb.Cleanup(func() {
		w.close()
		l.Close()
		<-over
	})
	return w
}

// read reads one request.
func read(r *bufio.Reader) {
	req, err := http.ReadRequest(r)
	if err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

// reply reads one request and answers it.
func reply(text string) func(*net.TCPConn, *bufio.Reader) {
	return func(c *net.TCPConn, r *bufio.Reader) {
		read(r)
		_, _ = io.WriteString(c, text)
	}
}

const acceptedText = "HTTP/1.1 202 Accepted\r\nLocation: /orders/1\r\nContent-Length: 2\r\n\r\n{}"

// send posts a small order.
func send(tb testing.TB, w *wire) (answer, fate, error) {
	tb.Helper()
	if !w.isOpen() {
		if err := w.open(tb.Context()); err != nil {
			return answer{}, unopened(err), err
		}
	}
	return w.post([]byte("{}"))
}

func TestWholeAnswerIsRead(t *testing.T) {
	t.Parallel()
	w := play(t, reply(acceptedText))

	got, fate, err := send(t, w)

	if want := (answer{status: 202, location: "/orders/1"}); got != want || fate != answered || err != nil {
		t.Errorf("got %+v, %v, %v, want %+v, answered", got, fate, err, want)
	}
}

func TestRequestWithoutAWholeAnswerIsAViolationUnlessItsConnectionIsNew(t *testing.T) {
	t.Parallel()
	abort := func(c *net.TCPConn, r *bufio.Reader) {
		read(r)
		_ = c.SetLinger(0) // the end is a reset
	}
	tests := map[string]struct {
		scene func(*net.TCPConn, *bufio.Reader)
		used  bool
		want  fate
	}{
		"new connection ends":               {reply(""), false, reset},
		"new connection is reset":           {abort, false, reset},
		"connection in use ends":            {reply(""), true, lost},
		"connection in use is reset":        {abort, true, lost},
		"half of the body":                  {reply(acceptedText[:len(acceptedText)-1]), false, cut},
		"half of the header":                {reply(acceptedText[:30]), false, cut},
		"one byte":                          {reply("H"), true, cut},
		"no HTTP":                           {reply("hello\r\n\r\n"), false, cut},
		"answer whose end nobody can tell":  {reply("HTTP/1.1 202 Accepted\r\nConnection: close\r\n\r\n{"), false, cut},
		"half of a chunked body":            {reply("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), false, cut},
		"something that nobody asked for":   {reply(acceptedText + "HTTP/1.1 200 OK\r\n\r\n"), false, cut},
		"503 that closes":                   {reply("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), true, answered},
		"whole chunked body":                {reply("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), true, answered},
		"answer before the request is read": {func(c *net.TCPConn, _ *bufio.Reader) { _, _ = io.WriteString(c, acceptedText) }, false, answered},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := play(t, func(c *net.TCPConn, r *bufio.Reader) {
				if test.used {
					reply(acceptedText)(c, r)
				}
				test.scene(c, r)
			})
			if test.used {
				if _, fate, err := send(t, w); fate != answered {
					t.Fatalf("first request: got %v, %v", fate, err)
				}
			}

			_, fate, err := send(t, w)

			if fate != test.want || (err == nil) != (fate == answered) {
				t.Errorf("got %v, %v, want %v", fate, err, test.want)
			}
		})
	}
}

func TestConnectionThatEndedWhileIdleIsReplaced(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	w := play(t, func(c *net.TCPConn, r *bufio.Reader) {
		reply(acceptedText)(c, r)
		c.Close()
		close(ended)
	}, reply(acceptedText))
	if _, fate, err := send(t, w); fate != answered {
		t.Fatalf("first request: got %v, %v", fate, err)
	}
	<-ended

	_, fate, err := send(t, w)

	if fate != answered || w.closedIdle != 1 {
		t.Errorf("got %v, %v, %d connections replaced, want answered and 1", fate, err, w.closedIdle)
	}
}

func TestAnswerThatClosesEndsTheConnection(t *testing.T) {
	t.Parallel()
	w := play(t, reply("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))

	got, _, err := send(t, w)

	if !got.closes || w.isOpen() || w.closedIdle != 0 {
		t.Errorf("got %+v, %v, open %t, want it closed", got, err, w.isOpen())
	}
}

func TestNoListenerIsARefusal(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String()}
	l.Close()

	_, fate, err := send(t, w)

	if fate != refused {
		t.Errorf("got %v, %v, want refused", fate, err)
	}
}
