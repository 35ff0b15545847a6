package http_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"
)

// slow answers after d, whatever its context says.
func slow(d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(d)
		_, _ = io.WriteString(w, "done")
	}
}

// stopped stops the server and returns how long Run took from then on, and its error.
func stopped(s *serving) (time.Duration, error) {
	begin := time.Now()
	s.stop()
	err := <-s.done
	return time.Since(begin), err
}

func TestStopWithoutConnectionsIsDoneAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t)
		synctest.Wait()

		took, err := stopped(s)

		if took != 0 || err != nil {
			t.Errorf("Run returned after %v with %v, want at once with nil", took, err)
		}
		if addr := s.Addr(); addr != nil {
			t.Errorf("Addr after Run: got %v, want nil", addr)
		}
	})
}

func TestStopClosesConnectionsThatNeverSentAByteAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t)
		c := s.raw(t)
		time.Sleep(time.Second)
		synctest.Wait()

		took, err := stopped(s)

		if took != 0 || err != nil {
			t.Errorf("Run returned after %v with %v, want at once with nil", took, err)
		}
		if rest := c.eof(t); rest != "" {
			t.Errorf("the connection got %q, want nothing", rest)
		}
	})
}

func TestStopAnswersARequestThatIsOnItsWayOnAnIdleConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(get(t, "/", slow(0))))
		c := s.raw(t)
		c.send(t, getRequest)
		res, _ := c.receive(t)
		if got := res.Header.Get("Connection"); got != "" {
			t.Errorf("Connection before the stop: got %q, want none", got)
		}
		synctest.Wait()
		begin := time.Now()
		s.stop()
		time.Sleep(700 * time.Millisecond)

		c.send(t, getRequest)
		res, body := c.receive(t)

		if res.StatusCode != http.StatusOK || body != "done" || !res.Close {
			t.Errorf("the answer: got %d %q, close %t, want a whole one that closes", res.StatusCode, body, res.Close)
		}
		if err := <-s.done; err != nil || time.Since(begin) != 700*time.Millisecond {
			t.Errorf("Run returned after %v with %v, want with the last connection and nil", time.Since(begin), err)
		}
	})
}

func TestStopLetsIdleConnectionsLinger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(get(t, "/", slow(0))))
		c := s.raw(t)
		c.send(t, getRequest)
		c.receive(t)
		synctest.Wait()

		took, err := stopped(s)

		if took != 750*time.Millisecond || err != nil {
			t.Errorf("Run returned after %v with %v, want after 750ms with nil", took, err)
		}
		if rest := c.eof(t); rest != "" {
			t.Errorf("the connection got %q, want nothing", rest)
		}
	})
}

func TestStopWaitsForARequestWhoseFirstBytesCame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(get(t, "/", slow(0))))
		fresh, used := s.raw(t), s.raw(t)
		used.send(t, getRequest)
		used.receive(t)
		synctest.Wait()
		fresh.send(t, getRequest[:2])
		used.send(t, getRequest[:2])
		s.stop()
		time.Sleep(2 * time.Second)

		for name, c := range map[string]*rawConn{"fresh": fresh, "used": used} {
			c.send(t, getRequest[2:])
			if res, body := c.receive(t); res.StatusCode != http.StatusOK || body != "done" || !res.Close {
				t.Errorf("%s connection: got %d %q, close %t, want a whole answer that closes", name, res.StatusCode, body, res.Close)
			}
		}
		if err := <-s.done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
}

func TestStopCutsARequestThatNeverCompletesItsHeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t)
		c := s.raw(t)
		c.send(t, "GET / HTTP/1.1\r\n")
		go func() { _, _ = io.Copy(io.Discard, c.r) }()
		synctest.Wait()

		took, err := stopped(s)

		if took != 5*time.Second || err != nil {
			t.Errorf("Run returned after %v with %v, want after the 5s of a header with nil", took, err)
		}
	})
}

func TestStopFinishesRequestsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(get(t, "/", slow(8*time.Second))))
		c := s.raw(t)
		c.send(t, getRequest)
		synctest.Wait()
		begin := time.Now()
		s.stop()

		res, body := c.receive(t)

		if res.StatusCode != http.StatusOK || body != "done" || !res.Close {
			t.Errorf("the answer: got %d %q, close %t, want a whole one that closes", res.StatusCode, body, res.Close)
		}
		if err := <-s.done; err != nil || time.Since(begin) != 8*time.Second {
			t.Errorf("Run returned after %v with %v, want with the request and nil", time.Since(begin), err)
		}
	})
}

func TestStopEndsTheContextOfRequestsAfterTheGracePeriod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cause error
		s := serve(graceful(t.Context(), 3*time.Second), t, phttp.WithRoutes(process(t, http.MethodGet, "/",
			func(ctx context.Context, _ *psync.Request) (*psync.Response, error) {
				<-ctx.Done()
				cause = context.Cause(ctx)
				return nil, ctx.Err()
			})))
		c := s.raw(t)
		c.send(t, getRequest)
		synctest.Wait()
		begin := time.Now()
		s.stop()

		res, body := c.receive(t)

		if res.StatusCode != http.StatusServiceUnavailable || !res.Close || res.Header.Get("Retry-After") == "" || !strings.Contains(body, "stopping") {
			t.Errorf("the answer: got %d %q, close %t, want 503 that closes", res.StatusCode, body, res.Close)
		}
		if !errors.Is(cause, component.ErrGraceOver) {
			t.Errorf("the cause: got %v, want %v", cause, component.ErrGraceOver)
		}
		if err := <-s.done; err != nil || time.Since(begin) != 3*time.Second {
			t.Errorf("Run returned after %v with %v, want after 3s with nil", time.Since(begin), err)
		}
	})
}

func TestStopCountsTheRequestsThatItCuts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(graceful(t.Context(), 3*time.Second), t, phttp.WithRoutes(get(t, "/", slow(time.Minute))))
		for range 3 {
			s.raw(t).send(t, getRequest)
		}
		synctest.Wait()

		took, err := stopped(s)

		want := 3*time.Second + component.SettleTime
		if took < want || took > want+time.Second {
			t.Errorf("Run returned after %v, want about %v", took, want)
		}
		if err == nil || !errors.Is(err, component.ErrGraceOver) || !strings.Contains(err.Error(), "http: 3 requests were cut") {
			t.Errorf("Run: got %v, want an error that counts 3 requests", err)
		}
		time.Sleep(time.Minute) // the handlers end
	})
}

func TestForceCutsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errForced := errors.New("forced")
		force, end := context.WithCancelCause(t.Context())
		s := serve(component.WithGrace(t.Context(), time.Minute, force), t, phttp.WithRoutes(get(t, "/", slow(time.Hour))))
		s.raw(t).send(t, getRequest)
		synctest.Wait()
		s.stop()
		time.Sleep(time.Second)
		begin := time.Now()
		end(errForced)

		err := <-s.done

		if took := time.Since(begin); took > 200*time.Millisecond || !errors.Is(err, errForced) {
			t.Errorf("Run returned after %v with %v, want within 200ms with %v", took, err, errForced)
		}
		time.Sleep(time.Hour) // the handler ends
	})
}

func TestAStreamLearnsThatTheServerStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(get(t, "/", func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-phttp.Draining(r.Context())
			_, _ = io.WriteString(w, "bye")
		})))
		c := s.raw(t)
		c.send(t, getRequest)
		synctest.Wait()
		go func() {
			time.Sleep(time.Hour)
			s.stop()
		}()

		_, body := c.receive(t)

		if body != "bye" {
			t.Errorf("the stream: got %q, want %q", body, "bye")
		}
		// The header of the stream was out before the stop, so the connection becomes idle, and goes with the idle ones.
		begin := time.Now()
		if err := <-s.done; err != nil || time.Since(begin) != 750*time.Millisecond {
			t.Errorf("Run returned after %v with %v, want after 750ms with nil", time.Since(begin), err)
		}
	})
}

func TestAnAnswerThatEndsAfterTheIdleOnesHaveGoneClosesItsConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t.Context(), t, phttp.WithRoutes(get(t, "/", func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Second)
		})))
		c := s.raw(t)
		c.send(t, getRequest)
		synctest.Wait()
		begin := time.Now()
		s.stop()
		c.receive(t)

		if err := <-s.done; err != nil || time.Since(begin) != 5*time.Second {
			t.Errorf("Run returned after %v with %v, want after 5s with nil", time.Since(begin), err)
		}
	})
}

func TestDrainingBlocksOutsideOfRequests(t *testing.T) {
	t.Parallel()
	if got := phttp.Draining(t.Context()); got != nil {
		t.Errorf("Draining: got %v, want nil", got)
	}
}

func TestStopLeavesHijackedConnectionsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		s := serve(graceful(t.Context(), time.Minute), t, phttp.WithRoutes(get(t, "/", func(w http.ResponseWriter, r *http.Request) {
			nc, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Errorf("Hijack: %v", err)
				return
			}
			go func() {
				defer func() { _ = nc.Close() }()
				_, err := io.Copy(nc, rw) // an echo, long after the handler
				ended <- err
			}()
		})))
		c := s.raw(t)
		c.send(t, getRequest)
		c.wg.Go(func() { _, _ = io.WriteString(c, "hello") })
		echo := make([]byte, 5)
		if _, err := io.ReadFull(c.r, echo); err != nil || string(echo) != "hello" {
			t.Fatalf("the echo: got %q, %v", echo, err)
		}

		took, err := stopped(s)

		if took != 0 || err != nil {
			t.Errorf("Run returned after %v with %v, want at once with nil", took, err)
		}
		time.Sleep(time.Hour) // no time-out of the server is left on it
		c.wg.Go(func() { _, _ = io.WriteString(c, "still") })
		if _, err := io.ReadFull(c.r, echo); err != nil || string(echo) != "still" {
			t.Errorf("the echo after the stop: got %q, %v", echo, err)
		}
		_ = c.Close()
		<-ended
	})
}
