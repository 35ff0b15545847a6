package log_test

import (
	"net/http"
	"testing"

	plog "github.com/beatlabs/patron/log"
)

// What the original README shows must compile and work.

var (
	_ plog.Logger      = (*recorder)(nil)                                        // a type with the twelve methods and no more
	_ plog.FactoryFunc = func(map[string]interface{}) plog.Logger { return nil } //nolint:modernize // as the seed writes it
)

func TestSetupAsTheSeedShowsIt(t *testing.T) { // not parallel: the process default is changed
	defer plog.SetDefault(nil)
	r := &recorder{}
	factory := func(map[string]interface{}) plog.Logger { return r } //nolint:modernize // as the seed writes it
	fields := map[string]interface{}{}                               //nolint:modernize // as the seed writes it

	err := plog.Setup(factory, fields)
	// handle error
	if err != nil {
		t.Fatal(err)
	}
	plog.Info("Hello world!")

	assertEqual(t, "calls", r.take(), "Info: Hello world!")
}

func TestContextLoggingAsTheSeedShowsIt(t *testing.T) { // not parallel: the process default is changed
	defer plog.SetDefault(nil)
	l, out := newLogger(plog.InfoLevel)
	plog.SetDefault(l)
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := plog.WithContext(r.Context(), plog.Sub(map[string]interface{}{"requestID": "7f"})) //nolint:modernize // as the seed writes it

		logger := plog.FromContext(ctx)
		logger.Infof("request processed")
	})

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	handler.ServeHTTP(nil, req)

	got := out.one(t)
	assertEqual(t, "message", got[plog.MessageKey], any("request processed"))
	assertEqual(t, "requestID", got["requestID"], any("7f"))
}
