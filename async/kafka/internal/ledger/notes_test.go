package ledger

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var compareNotes = cmp.AllowUnexported(notes{}, span{}, trial{})

func drawSpans(t *rapid.T, position int64, most, widest int) []span {
	var ss []span
	next := position + 1
	for range rapid.IntRange(0, most).Draw(t, "spans") {
		first := next + rapid.Int64Range(0, 300).Draw(t, "gap")
		last := first + rapid.Int64Range(0, int64(widest)).Draw(t, "width")
		ss = append(ss, span{first, last})
		next = last + 2
	}
	return ss
}

func TestMetadataSaysWhatWasWrittenDownIfItFits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		position := rapid.Int64Range(0, 1<<50).Draw(rt, "position")
		want := notes{open: rapid.Bool().Draw(rt, "open"), window: rapid.IntRange(0, 2000).Draw(rt, "window")}
		want.finished = drawSpans(rt, position, 200, 1000)
		offset := position
		for range rapid.IntRange(0, 100).Draw(rt, "trials") {
			want.tried = append(want.tried, trial{offset, rapid.Uint16Min(1).Draw(rt, "starts")})
			offset += rapid.Int64Range(1, 1000).Draw(rt, "step")
		}
		text := format(position, &want)
		if !want.open && len(want.tried)+len(want.finished) == 0 {
			want.window = 0 // there is nothing to be careful about
		}
		if diff := cmp.Diff(want, parse(text, position), compareNotes); diff != "" {
			rt.Fatalf("%q: got -want +got:\n%s", text, diff)
		}
		if got := parse(text, position+1); !cmp.Equal(got, notes{}, compareNotes) {
			rt.Fatalf("at another position: got %+v, want nothing", got)
		}
	})
}

func TestMetadataThatDoesNotFitLeavesTheFarthestOutAndSaysNothingWrong(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		const position = 1000
		ss := drawSpans(rt, position, 10_000, rapid.SampledFrom([]int{0, 3, 10_000}).Draw(rt, "widest"))
		var tt []trial
		for i := range rapid.IntRange(0, 5000).Draw(rt, "trials") {
			tt = append(tt, trial{position + int64(i), uint16(i + 1)})
		}
		text := format(position, &notes{open: true, tried: tt, finished: ss})
		if len(text) > mostBytes {
			rt.Fatalf("got %d bytes, want at most %d", len(text), mostBytes)
		}
		got := parse(text, position)
		if !got.open {
			rt.Fatalf("%q says nothing", text)
		}
		if n := len(got.tried); !cmp.Equal(got.tried, tt[:n:n], compareNotes) && n > 0 {
			rt.Fatalf("trials: got %v, want the first %d of those that were written", got.tried, n)
		}
		for i, s := range got.finished {
			cut := i == len(got.finished)-1
			if s.first != ss[i].first || s.last > ss[i].last || s.last < ss[i].last && !cut {
				rt.Fatalf("span %d: got %v, want %v", i, s, ss[i])
			}
		}
	})
}

func TestTenThousandMessagesOfWhichEverySecondIsFinishedFitIntoTheMetadata(t *testing.T) {
	t.Parallel()
	l := New(Start{Position: 5})
	var set Set
	set.Add(l)
	l.Take(5, 0)
	set.Next()
	set.Done()
	for o := range int64(DefaultBound) {
		l.Take(5+o, 0)
	}
	for o := int64(1); o < DefaultBound; o += 2 {
		l.Settle(5 + o)
	}
	c := set.Next()[0]
	again := New(Start{Position: c.Position, Metadata: c.Metadata})
	n := 0
	for o := int64(1); o < DefaultBound; o += 2 {
		if contains(again.finished, 5+o) && !contains(again.finished, 5+o-1) {
			n++
		}
	}
	if n != DefaultBound/2 || len(c.Metadata) > mostBytes {
		t.Errorf("%d of %d finished messages are in %d bytes of metadata", n, DefaultBound/2, len(c.Metadata))
	}
}

func TestForeignAndDamagedMetadataSaysNothing(t *testing.T) {
	t.Parallel()
	good := format(7, &notes{open: true, window: 4, tried: []trial{{7, 2}}, finished: []span{{9, 12}}})
	if parse(good, 7).window != 4 {
		t.Fatalf("%q cannot be read", good)
	}
	for name, text := range map[string]string{
		"none":                  "",
		"foreign":               `{"consumer":"kafka-connect"}`,
		"of parallel consumer":  "bAQIDBA==",
		"a later version":       "patron2:" + strings.TrimPrefix(good, prefix),
		"only the prefix":       prefix,
		"cut":                   good[:len(good)-3],
		"longer":                good + "AAAA",
		"no base64":             prefix + "****",
		"the checksum is wrong": prefix + base64.RawURLEncoding.EncodeToString([]byte{1, 7, 4, 0, 0, 0, 0, 0}),
		"longer than allowed":   prefix + strings.Repeat("A", mostBytes),
	} {
		if got := parse(text, 7); !cmp.Equal(got, notes{}, compareNotes) {
			t.Errorf("%s: got %+v, want nothing", name, got)
		}
	}
	for i := range good {
		for _, c := range []byte{'A', 'x', good[i] ^ 1} {
			bad := good[:i] + string(c) + good[i+1:]
			if got := parse(bad, 7); bad != good && !cmp.Equal(got, notes{}, compareNotes) {
				t.Errorf("%q, of which byte %d is another: got %+v, want nothing", bad, i, got)
			}
		}
	}
}

// FuzzMetadata gives metadata to the reader, with a checksum that is right half of the time, and wants no panic and nothing that is out of order.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(format(7, &notes{open: true, window: 4, tried: []trial{{7, 2}, {9, 1}}, finished: []span{{10, 12}, {14, 900}}})), int64(7))
	f.Add([]byte(format(0, &notes{finished: []span{{1, 1}, {3, 3}, {5, 5}, {7, 7}, {9, 9}, {11, 11}}})), int64(0))
	f.Add([]byte(format(math.MaxInt64-20, &notes{finished: []span{{math.MaxInt64 - 10, math.MaxInt64 - 1}}})), int64(math.MaxInt64-20))
	f.Add([]byte(prefix), int64(0))
	f.Add([]byte{}, int64(-1))
	f.Add([]byte{1, 7, 4, 1, 0, 2, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, int64(7))
	f.Add([]byte{3, 7, 4, 0, 0xaa, 0xaa}, int64(7))
	f.Fuzz(func(t *testing.T, text []byte, position int64) {
		check(t, parse(string(text), position), position)
		check(t, parse(sealed(text), position), position)
		if position < 0 {
			return
		}
		l := New(Start{Position: position, Metadata: sealed(text)})
		if l.Position() != position {
			t.Fatalf("position: got %d, want %d", l.Position(), position)
		}
	})
}

func check(t *testing.T, n notes, position int64) {
	t.Helper()
	next := position
	for _, s := range n.finished {
		if s.first < next || s.last < s.first {
			t.Fatalf("span %v is out of order behind %d", s, next)
		}
		next = s.last + 1
	}
	next = position
	for _, tr := range n.tried {
		if tr.offset < next {
			t.Fatalf("trial %v is out of order behind %d", tr, next)
		}
		next = tr.offset + 1
	}
	if n.window < 0 {
		t.Fatalf("window: got %d", n.window)
	}
}
