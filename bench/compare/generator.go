package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/beatlabs/patron/bench/contender"
)

// generator sends a request again and again on kept connections and checks each answer. It writes bytes prepared beforehand and reads no more of an answer
// than it must, since it shares the machine with what it measures; even so it takes several times the processor time of wrk.
type generator struct {
	address string
	request contender.Request
}

// run loads the address for d, and returns how many answers came.
func (g generator) run(ctx context.Context, d time.Duration) (float64, error) {
	ctx, stop := context.WithTimeout(ctx, d+10*time.Second)
	defer stop()
	until := time.Now().Add(d)
	var wg sync.WaitGroup
	answered, errs := make([]int, connections), make([]error, connections)
	for i := range connections {
		wg.Go(func() { answered[i], errs[i] = g.connection(ctx, until) })
	}
	wg.Wait()
	sum := 0
	for _, n := range answered {
		sum += n
	}
	return float64(sum), errors.Join(errs...)
}

// connection sends requests one after another until the time, at least one.
func (g generator) connection(ctx context.Context, until time.Time) (int, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", g.address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return 0, err
		}
	}
	request, answers := g.bytes(), bufio.NewReader(conn)
	var body []byte
	for n := 1; ; n++ {
		if _, err := conn.Write(request); err != nil {
			return n - 1, err
		}
		if body, err = g.answer(answers, body[:0]); err != nil {
			return n - 1, err
		}
		if time.Now().After(until) {
			return n, nil
		}
	}
}

// bytes returns the request as it goes over the network.
func (g generator) bytes() []byte {
	var b bytes.Buffer
	_, _ = fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\nUser-Agent: bench\r\n", g.request.Method, g.request.Path, g.address)
	if g.request.Body != "" {
		_, _ = fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(g.request.Body))
	}
	_, _ = fmt.Fprintf(&b, "\r\n%s", g.request.Body)
	return b.Bytes()
}

// answer reads one answer into body and checks it. The servers say how long a body is, since it is short.
func (g generator) answer(r *bufio.Reader, body []byte) ([]byte, error) {
	status, err := r.ReadString('\n')
	if err != nil {
		return body, err
	}
	if want := "HTTP/1.1 " + strconv.Itoa(g.request.Status) + " " + http.StatusText(g.request.Status); strings.TrimSpace(status) != want {
		return body, fmt.Errorf("got %q, want %q", status, want)
	}
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return body, err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil || length < 0 || length > 1<<20 {
				return body, fmt.Errorf("length of the answer %q: want a small number", value)
			}
		}
	}
	body = append(body, make([]byte, length)...)
	if _, err := io.ReadFull(r, body); err != nil {
		return body, err
	}
	if got := bytes.TrimSpace(body); string(got) != g.request.Answer {
		return body, fmt.Errorf("got %q, want %q", got, g.request.Answer)
	}
	return body, nil
}
