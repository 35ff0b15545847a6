package session

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestWhatIsDifferentEachTimeIsReplaced(t *testing.T) {
	t.Parallel()
	const (
		one   = "0af7651916cd43dd8448eb211c80319c"
		other = "b7ad6b7169203331"
	)
	var s ids
	got := s.steady(`{"time":"2026-11-21T15:08:01Z","src":"main/life.go:236","host":"vm","trace_id":"` + one + `","span_id":"` + other + `","again":"` + one +
		`","http":"0.0.0.0:37191","management":"127.0.0.1:39973","took":0.001e-3,"src":"shop/main.go:7"}`)
	for _, gone := range []string{"2026", "236", "vm", one, other, "37191", "39973", "0.001", ":7"} {
		if strings.Contains(got, gone) {
			t.Errorf("%s is still in %s", gone, got)
		}
	}
	again := s.steady(one)
	if strings.Count(got, again) != 2 || len(again) != len(one) {
		t.Errorf("got %s, want the same ID twice, as %s", got, again)
	}
}

func TestCommandsAreCarriedOut(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Got", r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type"))
		_, _ = w.Write([]byte("one\ntwo"))
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	defer func() { _ = server.Close(); <-ended }()
	s := &Session{t: t, addresses: map[string]string{"localhost:50000": listener.Addr().String()}}

	for command, want := range map[string]string{
		"curl localhost:50000/a":                                    "one\ntwo\n",
		"curl -s localhost:50000/a | grep 'tw.'":                    "two\n",
		"curl -i localhost:50000/a":                                 "X-Got: GET /a\n",
		"curl -i -X PUT localhost:50000/a":                          "X-Got: PUT /a\n",
		"curl -i localhost:50000/b -d 'x y' -H 'Content-Type: t/t'": "X-Got: POST /b t/t\n",
		"curl -i localhost:50000/b -d x":                            "X-Got: POST /b application/x-www-form-urlencoded\n",
	} {
		if got, err := s.execute(command); err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: got %q and %v, want %q", command, got, err, want)
		}
	}
	for _, command := range []string{"wget localhost:50000/", "curl example.com/", "curl -H", "curl localhost:50000/ | grep '('"} {
		if got, err := s.execute(command); err == nil {
			t.Errorf("%s: got %q, want an error", command, got)
		}
	}
}
