package main

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/beatlabs/patron"
	phttp "github.com/beatlabs/patron/component/http"
)

// snippet: test

func TestOrdersAreTaken(t *testing.T) {
	t.Parallel()
	service, err := newShop(
		patron.WithHTTP(phttp.WithAddress("127.0.0.1:0")), // a free port
		patron.WithManagementAddr("off"),
		patron.WithoutSignals(), // the test stops it
		patron.WithoutGlobals(), // other tests run beside it
	)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	<-service.Started()

	for body, want := range map[string]int{
		`{"invoice":"536365","pieces":6}`: http.StatusAccepted,
		`{"pieces":0}`:                    http.StatusUnprocessableEntity,
	} {
		if got := post(t, "http://"+service.Addr()+"/orders", body); got != want {
			t.Errorf("%s: got %d, want %d", body, got, want)
		}
	}

	stop() // what was accepted is processed before Run returns
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// end snippet

func post(t *testing.T, url, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
