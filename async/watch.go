package async

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	plog "github.com/beatlabs/patron/log"
)

// watchEvery is how often the gauges of age and lag are set.
const watchEvery = 5 * time.Second

// watch keeps what is held from coming back (Extender) and sets the gauges, at once and then at intervals, until ctx ends.
func (s *session) watch(ctx context.Context) {
	var lanes sync.WaitGroup // apart: a store of dead letters that is slow must not keep leases from being extended
	defer lanes.Wait()
	lanes.Go(func() { s.watchLanes(ctx) })
	extender, extends := s.consumer.(Extender)
	defer func() { s.unsetLags(nil) }()
	every := watchEvery
	if extends = extends && s.traits.Visibility > 0; extends {
		every = min(every, s.traits.Visibility/2)
	}
	s.gauge(ctx)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for watched := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if extends {
				s.extend(ctx, extender)
			}
			if now.Sub(watched) >= watchEvery {
				watched = now
				s.gauge(ctx)
			}
		}
	}
}

// extend extends every held message, from its receipt to its settlement. One that is refused is lost.
func (s *session) extend(ctx context.Context, extender Extender) {
	s.mu.Lock()
	mm := make([]*Message, 0, s.held.count)
	for m := s.held.first; m != nil; m = m.task.next {
		mm = append(mm, m)
	}
	s.mu.Unlock()
	if len(mm) == 0 {
		return
	}
	err := extender.Extend(ctx, mm)
	batch, ok := errors.AsType[*BatchError](err)
	switch {
	case err == nil:
	case !ok:
		plog.Slog(s.work).WarnContext(ctx, "extension failed", "component", s.c.name, "error", err.Error())
	default:
		for i, err := range batch.Errors {
			if i >= 0 && i < len(mm) && errors.Is(err, ErrLost) {
				s.lose(mm[i], err)
			}
		}
	}
}

// lose is told that m alone is no longer ours.
func (s *session) lose(m *Message, cause error) {
	if m.Claim != nil {
		m.Claim.Lose(cause)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m.task.state {
	case waiting, paused:
		s.lostLocked(m)
	case running, settling:
		s.releaseBehindLocked(m)
		m.task.lost = true
	case gone:
	}
	s.flushLocked()
}

// gauge sets the age of the oldest held message and the lag of each source.
func (s *session) gauge(ctx context.Context) {
	now := time.Now()
	seen := make(map[*Source]bool)
	s.mu.Lock()
	for m := s.held.first; m != nil; m = m.task.next {
		if !seen[m.Source] {
			seen[m.Source] = true
			s.observe(m.Source).oldest.Set(now.Sub(m.task.received).Seconds())
		}
	}
	for source := range s.aged {
		if !seen[source] {
			s.observe(source).oldest.Set(0)
		}
	}
	s.aged = seen
	s.mu.Unlock()
	if s.lagger == nil {
		return
	}
	lags, err := s.lagger.Lag(ctx)
	s.mu.Lock()
	s.progress.backlog, s.progress.counted = slices.Clone(lags), time.Now() // nothing is known after an error
	s.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			plog.Slog(s.work).WarnContext(ctx, "lag unknown", "component", s.c.name, "error", err.Error())
		}
		return
	}
	lagging := make(map[lagSeries]*observation, len(lags))
	for _, l := range lags {
		o := s.observe(l.Source)
		o.lags.With(o.lagLabels...).Set(float64(max(0, l.Messages)))
		lagging[seriesOf(l.Source)] = o
	}
	s.unsetLags(lagging)
}

// lagSeries is what the gauge of the lag of a source is labelled with, beside the system and the group.
type lagSeries struct {
	name      string
	partition int32
}

func seriesOf(s *Source) lagSeries { return lagSeries{s.Name, s.Partition} }

// unsetLags takes the gauges of sources away that the consumer no longer has: a partition that went to another instance is that one's to tell of.
func (s *session) unsetLags(now map[lagSeries]*observation) {
	for series, o := range s.lagging {
		if now[series] == nil {
			o.lags.Delete(o.lagLabels...)
		}
	}
	s.lagging = now
}
