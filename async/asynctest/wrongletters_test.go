package asynctest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/beatlabs/patron/async"
)

// wrongLetters are dead letters with something wrong: each function that is set stands before the right ones.
type wrongLetters struct {
	async.DeadLetters
	list   func(ctx context.Context, d async.DeadLetters, f async.DeadFilter) iter.Seq2[*async.DeadLetter, error]
	count  func(ctx context.Context, d async.DeadLetters, f async.DeadFilter) (int64, error)
	get    func(ctx context.Context, d async.DeadLetters, id string) (*async.DeadLetter, error)
	remove func(ctx context.Context, d async.DeadLetters, ll []*async.DeadLetter) error
}

func (w wrongLetters) List(ctx context.Context, f async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
	if w.list != nil {
		return w.list(ctx, w.DeadLetters, f)
	}
	return w.DeadLetters.List(ctx, f)
}

func (w wrongLetters) Count(ctx context.Context, f async.DeadFilter) (int64, error) {
	if w.count != nil {
		return w.count(ctx, w.DeadLetters, f)
	}
	return w.DeadLetters.Count(ctx, f)
}

func (w wrongLetters) Get(ctx context.Context, id string) (*async.DeadLetter, error) {
	if w.get != nil {
		return w.get(ctx, w.DeadLetters, id)
	}
	return w.DeadLetters.Get(ctx, id)
}

func (w wrongLetters) Remove(ctx context.Context, ll ...*async.DeadLetter) error {
	if w.remove != nil {
		return w.remove(ctx, w.DeadLetters, ll)
	}
	return w.DeadLetters.Remove(ctx, ll...)
}

// letters plants w.
func letters(w wrongLetters) tamper {
	return tamper{letters: func(d async.DeadLetters) async.DeadLetters {
		planted := w
		planted.DeadLetters = d
		return planted
	}}
}

// each lets f alter what is listed.
func each(f func(l *async.DeadLetter)) wrongLetters {
	return wrongLetters{list: func(ctx context.Context, d async.DeadLetters, filter async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
		return func(yield func(*async.DeadLetter, error) bool) {
			for l, err := range d.List(ctx, filter) {
				if err == nil {
					f(l)
				}
				if !yield(l, err) {
					return
				}
			}
		}
	}}
}

// listed returns everything that is listed now.
func listed(ctx context.Context, d async.DeadLetters, f async.DeadFilter) []*async.DeadLetter {
	var ll []*async.DeadLetter
	for l, err := range d.List(ctx, f) {
		if err == nil {
			ll = append(ll, l)
		}
	}
	return ll
}

// seq lists ll.
func seq(ll []*async.DeadLetter) iter.Seq2[*async.DeadLetter, error] {
	return func(yield func(*async.DeadLetter, error) bool) {
		for _, l := range ll {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// wrongKeepers are wrong in what they make of dead letters.
func wrongKeepers() map[string]wrongBroker {
	const whole = "dead letters are listed whole, the oldest first"
	const filtered = "a filter chooses letters, and the count is of those"
	const replayed = "a replayed message is processed as if it were new, with its ID and its history"
	return map[string]wrongBroker{
		"lists the newest letter first": {tamper: letters(wrongLetters{
			list: func(ctx context.Context, d async.DeadLetters, f async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
				ll := listed(ctx, d, f)
				slices.Reverse(ll)
				return seq(ll)
			},
		}), caught: []string{whole}},
		"lists letters without their reason": {
			tamper: letters(each(func(l *async.DeadLetter) { l.Cause, l.Attempts, l.Origin, l.Time = "", 0, "", time.Time{} })),
			caught: []string{whole, filtered, replayed},
		},
		"lists letters with the headers of the dead": {
			tamper: letters(each(func(l *async.DeadLetter) { l.Message.Headers.Set(async.HeaderDeadCause, l.Cause) })),
			caught: []string{whole},
		},
		"lists letters without headers": {
			tamper: letters(each(func(l *async.DeadLetter) { l.Message.Headers = nil })),
			caught: []string{whole, replayed},
		},
		"lists letters under an ID of their own": {
			tamper: letters(each(func(l *async.DeadLetter) { l.Message.ID = "letter of " + l.Message.ID })),
			caught: []string{whole, replayed, "a replay that is repeated after a failure sends what was sent with the same ID"},
		},
		"ignores filters": {tamper: letters(wrongLetters{
			list: func(ctx context.Context, d async.DeadLetters, _ async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
				return d.List(ctx, async.DeadFilter{})
			},
		}), caught: []string{filtered}},
		"counts all letters": {tamper: letters(wrongLetters{
			count: func(ctx context.Context, d async.DeadLetters, _ async.DeadFilter) (int64, error) {
				return d.Count(ctx, async.DeadFilter{})
			},
		}), caught: []string{filtered}},
		"finds any letter": {tamper: letters(wrongLetters{
			get: func(ctx context.Context, d async.DeadLetters, _ string) (*async.DeadLetter, error) {
				return listed(ctx, d, async.DeadFilter{})[0], nil
			},
		}), caught: []string{"a letter is found by its ID, and one that is missing is said to be"}},
		"says nothing of missing letters": {tamper: letters(wrongLetters{
			get: func(ctx context.Context, d async.DeadLetters, id string) (*async.DeadLetter, error) {
				l, err := d.Get(ctx, id)
				if errors.Is(err, async.ErrNoLetter) {
					err = errors.New("not found")
				}
				return l, err
			},
		}), caught: []string{
			"a letter is found by its ID, and one that is missing is said to be", "a removed letter is gone, and removing it again is nothing",
		}},
		"removes nothing": {tamper: letters(wrongLetters{
			remove: func(context.Context, async.DeadLetters, []*async.DeadLetter) error { return nil },
		}), caught: []string{
			"a removed letter is gone, and removing it again is nothing", replayed, "a listing ends although letters are written and removed meanwhile",
			"a replay that is repeated after a failure sends what was sent with the same ID",
		}},
		"complains of letters that are gone": {tamper: letters(wrongLetters{
			remove: func(ctx context.Context, d async.DeadLetters, ll []*async.DeadLetter) error {
				if _, err := d.Get(ctx, ll[0].Message.ID); err != nil {
					return err
				}
				return d.Remove(ctx, ll...)
			},
		}), caught: []string{"a removed letter is gone, and removing it again is nothing"}},
		"removes letters by their ID": {tamper: letters(wrongLetters{
			remove: func(ctx context.Context, d async.DeadLetters, ll []*async.DeadLetter) error {
				for _, l := range ll {
					now, err := d.Get(ctx, l.Message.ID)
					if err == nil {
						err = d.Remove(ctx, now)
					}
					if err != nil && !errors.Is(err, async.ErrNoLetter) {
						return err
					}
				}
				return nil
			},
		}), caught: []string{"a letter that was written anew is not removed with the old one"}},
		"lists what is written meanwhile": {tamper: letters(wrongLetters{
			list: func(ctx context.Context, d async.DeadLetters, f async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
				return func(yield func(*async.DeadLetter, error) bool) {
					for seen := make(map[string]bool); ; {
						at := slices.IndexFunc(listed(ctx, d, f), func(l *async.DeadLetter) bool { return !seen[l.Message.ID] })
						if at < 0 {
							return
						}
						l := listed(ctx, d, f)[at]
						seen[l.Message.ID] = true
						if !yield(l, nil) {
							return
						}
					}
				}
			},
		}), caught: []string{"a listing ends although letters are written and removed meanwhile"}},
		"lists to the end whoever waits": {tamper: letters(wrongLetters{
			list: func(ctx context.Context, d async.DeadLetters, f async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
				return d.List(context.WithoutCancel(ctx), f)
			},
		}), caught: []string{"a listing ends with its context"}},
		"removes what it lists": {tamper: letters(wrongLetters{
			list: func(ctx context.Context, d async.DeadLetters, f async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
				ll := listed(ctx, d, f)
				_ = d.Remove(ctx, ll...)
				return seq(ll)
			},
		}), caught: []string{"a message whose replay cannot be sent stays a dead letter"}},
	}
}
