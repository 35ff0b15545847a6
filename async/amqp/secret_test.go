package amqp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	plog "github.com/beatlabs/patron/log"
)

// secret has what a URL escapes, and what breaks one when it is not escaped.
const secret = "canary!s3cret/pass:w@rd#?%"

// leaks says whether a text has the password, in any of its forms.
func leaks(text string) bool {
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("u", secret).String()[2:], "s3cret"} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

func TestNoErrorLogOrDumpShowsThePassword(t *testing.T) {
	t.Parallel()
	good := (&url.URL{Scheme: "amqp", User: url.UserPassword("user", secret), Host: "127.0.0.1:1", Path: "/vhost"}).String()
	refuse := WithDial(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") })
	var said bytes.Buffer
	say := func(v any) { fmt.Fprintf(&said, "%v %+v %#v\n", v, v, v) }

	for _, bad := range []string{
		"amqp://user:" + secret + "@host", "http://user:" + url.QueryEscape(secret) + "@host", "amqp://user:" + secret + "@h:port:1", good + "?heartbeat=x",
		good + "?heartbeat=0",
		"amqp://user:s3cret @host", "://" + secret,
	} {
		_, err := New(bad, "orders")
		if err == nil && bad != good {
			t.Errorf("a bad URL was taken")
		}
		say(err)
		_, err = NewPublisher(anyURL, "", "orders", WithURLs(bad))
		say(err)
	}
	cf, err := New(good, "orders", refuse, WithURLs(good))
	if err != nil {
		t.Fatal(err)
	}
	say(cf)
	say(*cf.(*factory))
	say(*cf.(*factory).config)
	_, err = cf.Create(t.Context())
	say(err)
	p, err := NewPublisher(good, "", "orders", refuse, WithSendTimeout(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	say(p)
	say(p.Send(t.Context(), &async.Message{}))
	say(p.Close(t.Context()))
	for _, err := range cf.(async.DeadLetterKeeper).DeadLetters().List(t.Context(), async.DeadFilter{}) {
		say(err)
	}
	component, err := async.New("orders", cf, func(context.Context, *async.Message) error { return nil }, async.WithRetries(1))
	if err != nil {
		t.Fatal(err)
	}
	say(component)
	ctx := plog.WithContext(t.Context(), plog.New(plog.JSON(&said, nil)))
	say(component.Run(ctx))
	slog.New(slog.NewTextHandler(&said, nil)).Info("dump", "factory", cf, "component", component)
	if text, err := json.Marshal(component.Info()); err == nil {
		said.Write(text)
	}

	if !strings.Contains(said.String(), "no route") || !strings.Contains(said.String(), "amqp://127.0.0.1:1") {
		t.Errorf("the errors do not say what is wrong and where:\n%s", said.String())
	}
	if leaks(said.String()) {
		t.Errorf("the password is shown:\n%s", said.String())
	}
}
