package async_test

import (
	"slices"
	"testing"

	"github.com/beatlabs/patron/async"
)

// model is what headers should be, the plain way: a list of pairs that are compared by keys in lower case ASCII.
type model []async.Header

func lower(key string) string {
	b := []byte(key)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func (m model) index(key string) int {
	return slices.IndexFunc(m, func(h async.Header) bool { return lower(h.Key) == lower(key) })
}

// FuzzHeaders does to headers and to a model of them what the bytes say, with three keys that may be the same but for their case.
func FuzzHeaders(f *testing.F) {
	f.Add("Content-Type", "content-type", "X-B3-TraceId", []byte{0, 1, 4, 8, 9, 2})
	f.Add("k", "\u212a", "K", []byte{0, 1, 2, 8, 9})   // the sign of Kelvin is a k to strings.EqualFold
	f.Add("", "\xff", "\u017f", []byte{0, 1, 2, 4, 5}) // and the long s is an s
	f.Add("a", "A", "a", []byte{3, 3, 7, 11, 0})
	f.Fuzz(func(t *testing.T, first, second, third string, steps []byte) {
		keys := []string{first, second, third, first + second}
		var got async.Headers
		var want model
		for i, step := range steps[:min(len(steps), 64)] {
			key, value := keys[step&3], string(rune('a'+i))
			switch at := want.index(key); step >> 2 & 3 {
			case 0, 1:
				got.Set(key, value)
				if at < 0 {
					want = append(want, async.Header{Key: key, Value: value})
				} else {
					want[at].Value = value
				}
			case 2:
				got.Delete(key)
				want = slices.DeleteFunc(want, func(h async.Header) bool { return lower(h.Key) == lower(key) })
			default:
				got = append(got, async.Header{Key: key, Value: value}) // as a broker may deliver it: twice
				want = append(want, async.Header{Key: key, Value: value})
			}
			if !slices.Equal(got, async.Headers(want)) {
				t.Fatalf("after %x: got %q, want %q", steps[:i+1], got, want)
			}
			for _, key := range keys {
				at, value := want.index(key), ""
				if at >= 0 {
					value = want[at].Value
				}
				if got.Get(key) != value || got.Has(key) != (at >= 0) {
					t.Fatalf("%q: key %q: got %q, %t, want %q, %t", got, key, got.Get(key), got.Has(key), value, at >= 0)
				}
			}
		}
		if keys := got.Keys(); len(keys) != len(want) {
			t.Errorf("Keys: got %q, want those of %q", keys, want)
		}
	})
}
