package line_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/log/internal/line"
)

// FuzzAppendString compares with encoding/json: it decodes to the same, and is clean already.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{
		"", "a", "abc", "abcd", "abcdefg", "abcdefgh", "abcdefghi", "abcdefghijklmnop", `"`, `\`, "abc\"",
		"abcdefg\\", "abcdefgh\x7f", "abcd\x1fefg", "\xff", "é", "a\u2028", "\ufffd",
		"\n\r\t\b\f\x00", strings.Repeat("x", 63) + "\u009b", "abcdefgh\x80", "<&>'",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := line.AppendString([]byte("before"), s)
		got, found := bytes.CutPrefix(got, []byte("before"))
		if !found {
			t.Fatalf("AppendString(%q): got %q", s, got)
		}
		if clean := line.Clean(got); !bytes.Equal(clean, got) {
			t.Errorf("AppendString(%q): got %q, which is not clean", s, got)
		}
		std, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var ours, theirs string
		if err := json.Unmarshal(got, &ours); err != nil {
			t.Fatalf("AppendString(%q): got %q: %v", s, got, err)
		}
		if err := json.Unmarshal(std, &theirs); err != nil || ours != theirs {
			t.Errorf("AppendString(%q): got %q, which reads as %q, want %q (%v)", s, got, ours, theirs, err)
		}
		if len(got) > 6*len(s)+2 {
			t.Errorf("AppendString(%q): got %d bytes of %d", s, len(got), len(s))
		}
		if key := string(line.AppendKey(nil, s)); key != ","+string(got)+":" {
			t.Errorf("AppendKey(%q): got %q, want a comma, %q and a colon", s, key, got)
		}
	})
}

// FuzzClock compares the clock that remembers with the standard library, for two times one after the other.
func FuzzClock(f *testing.F) {
	f.Add(int64(1), int64(0), int64(500_000_000), int16(0))
	f.Add(int64(-1), int64(999_999_999), int64(1), int16(330))
	f.Add(int64(253402300799), int64(999_999_999), int64(2_000_000_000), int16(-720)) // the end of the year 9999
	f.Add(int64(-62167219200), int64(100), int64(-1), int16(1))                       // the beginning of the year 0
	f.Fuzz(func(t *testing.T, unix, nanos, step int64, minutes int16) {
		at := time.Unix(unix%(1<<40), nanos%1e9).In(time.FixedZone("", int(minutes)*60))
		var clock line.Clock
		for range 3 {
			got, want := string(clock.AppendTime([]byte("x"), at)), `x"`+at.UTC().Format(time.RFC3339Nano)+`"`
			if again := string(line.AppendTime([]byte("x"), at)); got != want || again != want {
				t.Errorf("AppendTime: got %s from the clock and %s without, want %s", got, again, want)
			}
			at = at.Add(time.Duration(step % 3e9))
		}
	})
}

func TestNumbersThatJSONDoesNotHaveAreStrings(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]float64{
		`"NaN"`: math.NaN(), `"+Inf"`: math.Inf(1), `"-Inf"`: math.Inf(-1), `0`: 0, `-0`: math.Copysign(0, -1), `139.12`: 139.12, `1e-07`: 1e-7, `1e+21`: 1e21,
		`100000000000000000000`: 1e20,
	} {
		if got := string(line.AppendFloat(nil, f)); got != want {
			t.Errorf("AppendFloat(%v): got %s, want %s", f, got, want)
		}
	}
}
