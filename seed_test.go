package patron_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/beatlabs/patron"
	"github.com/beatlabs/patron/component"
	phttp "github.com/beatlabs/patron/component/http"
	plog "github.com/beatlabs/patron/log"
	"github.com/beatlabs/patron/log/zerolog"
)

// silent is a logger of the seed's interface, and of nothing else.
type silent struct{}

func (silent) Fatal(args ...any)                 { os.Exit(1) }
func (silent) Fatalf(format string, args ...any) { os.Exit(1) }
func (silent) Panic(args ...any)                 { panic(fmt.Sprint(args...)) }
func (silent) Panicf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (silent) Error(args ...any)                 {}
func (silent) Errorf(format string, args ...any) {}
func (silent) Warn(args ...any)                  {}
func (silent) Warnf(format string, args ...any)  {}
func (silent) Info(args ...any)                  {}
func (silent) Infof(format string, args ...any)  {}
func (silent) Debug(args ...any)                 {}
func (silent) Debugf(format string, args ...any) {}

// seedComponent is snippet 1: a type with Run is a component.
type seedComponent struct{}

func (seedComponent) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// The snippets of the seed document that concern the service compile and work: 1 (component), 8 and 9 (log), New and Run with the options of its time.
//
// not parallel: it changes the environment and the defaults of the process.
func TestTheSeedsServiceCompilesAndRuns(t *testing.T) {
	t.Setenv("PATRON_LOG_LEVEL", "none")
	t.Setenv("PATRON_JAEGER_SAMPLER_PARAM", "1.0")
	t.Setenv("PATRON_HTTP_DEFAULT_PORT", "0")
	t.Cleanup(func() { plog.SetDefault(nil) })

	if err := patron.SetupLogging("seed", "1.0.0"); err != nil {
		t.Fatal(err)
	}
	if err := patron.SetupLoggingWithFields("seed", "1.0.0", map[string]any{"team": "a"}); err != nil {
		t.Fatal(err)
	}

	var c component.Component = seedComponent{}
	newMiddleware := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Access-Control-Allow-Origin", "*")
			h.ServeHTTP(w, r)
		})
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		ctx := plog.WithContext(r.Context(), plog.Sub(map[string]any{"requestID": "1"}))
		logger := plog.FromContext(ctx)
		logger.Infof("request processed")
		w.WriteHeader(http.StatusNoContent)
	}

	service, err := patron.New("seed", "1.0.0",
		patron.LogFields(map[string]any{"env": "staging"}),
		patron.TextLogger(),
		patron.WithComponents(c),
		patron.WithRoutesBuilder(phttp.NewRoutesBuilder().Append(phttp.NewRawRouteBuilder("/", handler).MethodGet())),
		patron.WithMiddlewares(newMiddleware),
		patron.WithSIGHUP(func() {}),
		patron.WithHTTP(phttp.AliveCheck(func() phttp.AliveStatus { return phttp.Alive }), phttp.ReadyCheck(func() phttp.ReadyStatus { return phttp.Ready })))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- service.Run(ctx) }()
	<-service.Started()

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+service.Addr()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNoContent || response.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("got %d and the header %v", response.StatusCode, response.Header)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Snippet 8: a program without a service sets its log up with a factory.
//
// not parallel: it changes the default of the process.
func TestTheSeedsLogSetupCompiles(t *testing.T) {
	t.Cleanup(func() { plog.SetDefault(nil) })
	var factory plog.FactoryFunc = func(map[string]any) plog.Logger { return silent{} }

	err := plog.Setup(factory, map[string]any{"team": "a"})
	if err != nil {
		t.Fatal(err)
	}
	plog.Info("Hello world!")

	factory, err = zerolog.Factory(os.Stderr, plog.NoLevel)
	if err != nil {
		t.Fatal(err)
	}
	if err := plog.Setup(factory, nil); err != nil {
		t.Fatal(err)
	}
}

// not parallel: it changes the environment.
func TestTheSeedsLogSetupSaysWhatIsWrong(t *testing.T) {
	t.Setenv("PATRON_LOG_LEVEL", "loud")
	if err := patron.SetupLogging("", ""); err == nil || err.Error() != "patron: name: empty\n"+
		`PATRON_LOG_LEVEL="loud": want debug, info, warn, error, fatal, panic or none, in upper or lower case` {
		t.Errorf("got the error %v", err)
	}
}
