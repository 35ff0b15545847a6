package http_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"
)

// poster sends one request after the other on connections that it keeps, until it is refused.
type poster struct {
	client  *http.Client
	url     string
	pause   time.Duration // at most, between two requests
	answers *atomic.Int64
}

// run returns the first thing that must not happen.
func (p *poster) run(ctx context.Context) error {
	body := []byte(`{"text":"` + strings.Repeat("x", rand.N(6000)) + `"}`)
	for {
		err := p.post(ctx, body)
		if errors.Is(err, errRefused) {
			return nil
		}
		if err != nil {
			return err
		}
		p.answers.Add(1)
		if p.pause > 0 {
			<-time.After(rand.N(p.pause))
		}
	}
}

var errRefused = errors.New("refused")

// post sends a request and reads its answer. On a connection that was in use before, nothing may go wrong; a new one may be refused or reset.
func (p *poster) post(ctx context.Context, body []byte) error {
	reused := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
	// Without GetBody the client cannot repeat the request, which would hide that it was lost.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		return err
	}
	req.ContentLength = int64(len(body))
	res, err := p.client.Do(req)
	if err != nil {
		if !reused {
			return errRefused
		}
		return err
	}
	answer, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusCreated || !bytes.Equal(answer, body) {
		return errors.New(res.Status + ": " + string(answer[:min(len(answer), 100)]))
	}
	return nil
}

type text struct {
	Text string `json:"text"`
}

func TestStopUnderLoadLosesNoRequest(t *testing.T) {
	t.Parallel()
	runs := 10
	if testing.Short() {
		runs = 2
	}
	for run := range runs {
		var taken, answers atomic.Int64
		url, stop := listen(t.Context(), t, phttp.WithRoutes(process(t, http.MethodPost, "/", psync.Handle(func(_ context.Context, in text) (text, error) {
			if taken.Add(1)%10 == 0 {
				<-time.After(rand.N(30 * time.Millisecond))
			}
			return in, nil
		}))))
		var posters sync.WaitGroup
		for i := range 16 {
			p := &poster{client: newClient(t), url: url, answers: &answers}
			if i%2 == 0 {
				p.pause = 50 * time.Millisecond
			}
			posters.Go(func() {
				if err := p.run(t.Context()); err != nil {
					t.Errorf("run %d: %v", run, err)
				}
			})
		}
		<-time.After(rand.N(200 * time.Millisecond))

		begin := time.Now()
		err := stop()

		posters.Wait()
		if took := time.Since(begin); err != nil || took > 5*time.Second {
			t.Errorf("run %d: Run returned after %v with %v, want soon with nil", run, took, err)
		}
		if taken.Load() != answers.Load() {
			t.Errorf("run %d: %d requests were taken, %d answers came", run, taken.Load(), answers.Load())
		}
	}
}

func TestOneConnectionPerRequestIsAnsweredOrRefused(t *testing.T) {
	t.Parallel()
	var taken, answers atomic.Int64
	url, stop := listen(t.Context(), t, phttp.WithRoutes(process(t, http.MethodPost, "/", func(_ context.Context, req *psync.Request) (*psync.Response, error) {
		taken.Add(1)
		var in json.RawMessage
		if err := req.Decode(&in); err != nil {
			return nil, err
		}
		return psync.NewResponse(in), nil
	})))
	var posters sync.WaitGroup
	for range 8 {
		transport := &http.Transport{DisableKeepAlives: true}
		p := &poster{client: &http.Client{Transport: transport}, url: url, answers: &answers}
		posters.Go(func() {
			if err := p.run(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	<-time.After(100 * time.Millisecond)
	err := stop()
	posters.Wait()
	if err != nil || taken.Load() != answers.Load() {
		t.Errorf("Run: %v; %d requests were taken, %d answers came", err, taken.Load(), answers.Load())
	}
}
