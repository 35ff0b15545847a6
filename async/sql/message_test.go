package sql

import (
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestHeadersKeepEveryByte(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var h async.Headers
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			h = append(h, async.Header{
				Key:   rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "key"),
				Value: rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "value"),
			})
		}
		text, err := encodeHeaders(h)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsRune(text, 0) {
			t.Fatalf("%q has a zero byte, which PostgreSQL refuses", text)
		}
		got, err := decodeHeaders(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(h, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestHeadersThatSomebodyElseWroteAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"{}", `[["a"]]`, `[["a","b","c"]]`, `[["!","b","base64"]]`, `[["","!","base64"]]`, "x"} {
		if h, err := decodeHeaders(text); err == nil {
			t.Errorf("%s: got %v, want an error", text, h)
		}
	}
}

func TestAMessageThatNoTableTakesIsRefused(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*async.Message{
		"long ID":   {ID: strings.Repeat("x", 256)},
		"not UTF-8": {ID: "\xff"},
		"zero byte": {ID: "a\x00"},
	} {
		if _, err := newRow("orders", m, false); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestARowHasALaneForItsKey(t *testing.T) {
	t.Parallel()
	lane := func(key string, unordered bool) string {
		t.Helper()
		r, err := newRow("orders", &async.Message{Key: []byte(key), Time: time.Now()}, unordered)
		if err != nil {
			t.Fatal(err)
		}
		return string(r.lane)
	}
	if first, again := lane("a", false), lane("a", false); first != again || first == lane("b", false) || len(lane("a", false)) != 16 {
		t.Error("a lane is 16 bytes, the same for a key alone")
	}
	if lane("", false) != "" || lane("a", true) != "" {
		t.Error("without a key or an order there is no lane")
	}
}

func TestChunksAreBoundedInRowsAndBytes(t *testing.T) {
	t.Parallel()
	rows := make([]*row, 250)
	for i := range rows {
		rows[i] = &row{data: make([]byte, 10)}
	}
	rows[120].data = make([]byte, 2<<20)
	var sizes []int
	if err := chunks(rows, func(rows []*row) error { sizes = append(sizes, len(rows)); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{100, 20, 1, 100, 29}, sizes); diff != "" {
		t.Error(diff)
	}
}

func TestParametersAreNumberedForPostgreSQLAlone(t *testing.T) {
	t.Parallel()
	if got := PostgreSQL.bind("a = ? AND b = ?"); got != "a = $1 AND b = $2" {
		t.Errorf("got %q", got)
	}
	if got := MySQL.bind("a = ?"); got != "a = ?" {
		t.Errorf("got %q", got)
	}
}
