package ledger

import "testing"

// BenchmarkInOrder is a message that is taken and settled, with a commit for every batch of 100.
func BenchmarkInOrder(b *testing.B) {
	l, set := opened(b, Start{})
	b.ReportAllocs()
	for o := int64(0); b.Loop(); o++ {
		l.Take(o, 0)
		l.Settle(o)
		if o%100 == 99 {
			set.Next()
			set.Done()
		}
	}
}

// BenchmarkBehindAStuckMessage is one that is finished while the first of the partition is not, with 5 000 before it and a commit for every batch of 100.
func BenchmarkBehindAStuckMessage(b *testing.B) {
	l, set := opened(b, Start{Bound: 1 << 30})
	l.Take(0, 0)
	b.ReportAllocs()
	o := int64(1)
	for b.Loop() {
		l.Take(o, 0)
		l.Settle(o)
		if o++; o%100 == 0 {
			set.Next()
			set.Done()
		}
		if o%5000 == 0 {
			b.StopTimer()
			l, set = opened(b, Start{Bound: 1 << 30})
			l.Take(0, 0)
			o = 1
			b.StartTimer()
		}
	}
}

func TestAMessageInOrderAllocatesNothing(t *testing.T) {
	// not parallel: allocations are counted for the whole process
	l, set := opened(t, Start{})
	o := int64(0)
	perBatch := testing.AllocsPerRun(100, func() {
		for range 100 {
			l.Take(o, 0)
			l.Settle(o)
			o++
		}
		set.Next()
		set.Done()
	})
	if perBatch > 3 {
		t.Errorf("got %v allocations for 100 messages and their commit, want at most 3", perBatch)
	}
}
