package drain

import (
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"
)

// connections is how many connections the loader has.
const connections = 16

// maxStopAfter bounds the time between the first byte posted and the signal.
const maxStopAfter = 400 * time.Millisecond

// plan is what one run does. All of it follows from the seed.
type plan struct {
	seed      uint64
	signal    os.Signal
	stopAfter time.Duration
	rate      int  // orders a second; 0 is as fast as they go
	start     int  // where in the file the posting begins
	crowd     int  // onto how many customers those of the file are joined, so that orders of a customer meet; 0: none
	brief     int  // how many of the connections carry one request each, and are then made anew
	slow      bool // some requests come in two pieces
	traces    bool // spans are written, too
}

// newPlan returns the plan of a seed. Seeds that follow each other take SIGTERM and SIGINT, and free and paced posting, in turn.
func newPlan(seed uint64) plan {
	r := rand.New(rand.NewPCG(seed, 0))
	p := plan{seed: seed, signal: syscall.SIGTERM, start: r.IntN(1 << 20)}
	p.stopAfter = time.Duration(r.Int64N(int64(maxStopAfter) + 1))
	if seed%2 == 1 {
		p.signal = os.Interrupt
	}
	if seed/2%2 == 1 {
		p.rate = 200 + r.IntN(1801)
	}
	if r.IntN(2) == 0 {
		p.crowd = connections * (1 + r.IntN(4))
	}
	if r.IntN(3) == 0 {
		p.brief = 1 + r.IntN(connections/2)
	}
	p.slow = r.IntN(3) == 0
	p.traces = r.IntN(4) == 0
	return p
}

// random returns a source of its own for each connection of the run.
func (p plan) random(connection int) *rand.Rand {
	return rand.New(rand.NewPCG(p.seed, uint64(connection)+1))
}

func (p plan) String() string {
	rate := "as fast as it goes"
	if p.rate > 0 {
		rate = fmt.Sprintf("%d orders/s", p.rate)
	}
	customers := "all customers"
	if p.crowd > 0 {
		customers = fmt.Sprintf("%d customers", p.crowd)
	}
	return fmt.Sprintf("seed %d: %v after %v, %s, %s, %d brief connections, slow %t, traces %t",
		p.seed, p.signal, p.stopAfter.Round(time.Microsecond), rate, customers, p.brief, p.slow, p.traces)
}
