package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// judged is the verdict on two records over two keys of n messages each.
func judged(t *testing.T, n int, confirmed, effects string) verdict {
	t.Helper()
	tally := newTally(2)
	for text := range strings.FieldsSeq(confirmed) {
		e, err := parseID(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := tally.confirm(e); err != nil {
			t.Fatal(err)
		}
	}
	for text := range strings.FieldsSeq(effects) {
		e, err := parseID(text)
		if err != nil {
			t.Fatal(err)
		}
		tally.effect(e, func(int) int { return n })
	}
	v := tally.verdict()
	v.example = ""
	return v
}

func TestTheVerdictCountsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		confirmed, effects string
		want               verdict
	}{
		"nothing":               {"", "", verdict{}},
		"all is well":           {"0-0 1-0 0-1 1-1", "1-0 0-0 0-1 1-1", verdict{Confirmed: 4, Effects: 4}},
		"one is lost":           {"0-0 0-1", "0-1", verdict{Confirmed: 2, Effects: 1, Lost: 1, Disorder: 1}},
		"the last is lost":      {"0-0 0-1", "0-0", verdict{Confirmed: 2, Effects: 1, Lost: 1}},
		"two are swapped":       {"0-0 0-1", "0-1 0-0", verdict{Confirmed: 2, Effects: 2, Disorder: 2}},
		"one comes twice":       {"0-0 0-1", "0-0 0-1 0-0", verdict{Confirmed: 2, Effects: 3, Duplicates: 1}},
		"one comes three times": {"0-0", "0-0 0-0 0-0", verdict{Confirmed: 1, Effects: 3, Duplicates: 2}},
		"one of no key":         {"0-0", "0-0 7-0", verdict{Confirmed: 1, Effects: 2, Foreign: 1}},
		"one of no place":       {"0-0", "0-0 0-5", verdict{Confirmed: 1, Effects: 2, Foreign: 1}},
		"one nobody confirmed":  {"0-0", "0-0 0-1", verdict{Confirmed: 1, Effects: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := judged(t, 3, c.confirmed, c.effects); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestOnlyARunWithoutFaultsPasses(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]verdict{
		"1 lost":              {Confirmed: 1000, Lost: 1},
		"2 out of order":      {Confirmed: 1000, Disorder: 2},
		"3 of nobody":         {Confirmed: 1000, Foreign: 3},
		"0.40 % duplicates":   {Confirmed: 1000, Duplicates: 4},
		"for example 1-2 is":  {Confirmed: 1000, Lost: 1, example: "1-2 is"},
		"99 handled a second": {Confirmed: 990, Took: 10 * time.Second},
	} {
		if err := v.err(0.003, 100); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q in it", v, err, want)
		}
	}
	if err := (verdict{Confirmed: 1000, Effects: 1003, Duplicates: 3, Took: 10 * time.Second}).err(0.003, 100); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func TestAFollowerReadsWholeLinesOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "record")
	f, err := follow(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	var got []string
	read := func() error { return f.next(func(e entry) { got = append(got, e.ID()+"/"+strconv.Itoa(e.by)) }) }
	write := func(text string) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	write("1-2 0\n3-")
	write("4 1\n")
	write("5-6 22\n7-8 0\n")
	if want := "1-2/0 3-4/1 5-6/22 7-8/0"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("x-1 0\n"); err != nil {
		t.Fatal(err)
	}
	if err := read(); err == nil || !strings.Contains(err.Error(), `"x-1 0"`) {
		t.Errorf("got %v, want the line that is none", err)
	}
}

func TestBadSettingsAreNamed(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-broker nats":                 `-broker "nats"`,
		"-messages 0":                  "-messages 0",
		"-leaves -1":                   "-leaves -1",
		"-wrong acks1":                 "want kafka3",
		"-broker kafka -wrong acks1":   "want kafka3",
		"-broker kafka -wrong nothing": `-wrong "nothing"`,
		"more":                         `"more"`,
	} {
		if _, err := parseSetting(strings.Fields(args), &strings.Builder{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", args, err, want)
		}
	}
}

func TestTheMessagesAreSpreadOverTheKeys(t *testing.T) {
	t.Parallel()
	s := setting{messages: 11, keys: 4}
	sum := 0
	for key := range s.keys {
		sum += s.of(key)
	}
	if sum != 11 || s.of(0) != 3 || s.of(3) != 2 {
		t.Errorf("got %d in all, %d and %d", sum, s.of(0), s.of(3))
	}
}
