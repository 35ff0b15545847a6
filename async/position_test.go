package async_test

import (
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
)

func TestAPositionSelectsSourcesByName(t *testing.T) {
	t.Parallel()
	queue, topic := &async.Source{Name: "orders", Partition: -1}, &async.Source{Name: "orders", Partition: 3}
	for _, tc := range []struct {
		source       string
		queue, topic bool
	}{
		{"", true, true},
		{"orders", true, true},
		{"orders/3", false, true},
		{"orders/33", false, false},
		{"order", false, false},
	} {
		p := async.Oldest().Of(tc.source)
		if q, p := p.Selects(queue), p.Selects(topic); q != tc.queue || p != tc.topic {
			t.Errorf("%q selects a queue %t and a partition %t, want %t and %t", tc.source, q, p, tc.queue, tc.topic)
		}
	}
}

func TestPositionsSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]async.Position{
		"oldest":                         async.Oldest(),
		"newest of orders":               async.Newest().Of("orders"),
		"time 2010-12-01T08:26:00Z":      async.At(time.Date(2010, 12, 1, 8, 26, 0, 0, time.UTC)),
		"offset 42 of orders/3":          async.Offset("orders/3", 42),
		"no position":                    {},
		"no position of somewhere at 99": async.Position{Kind: 99}.Of("somewhere at 99"),
	} {
		if got := p.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
