package simtest

import "time"

// event is a kind of place in a history at which something may go wrong.
type event uint8

const (
	connecting event = iota
	receiving        // before messages leave the broker
	handingOut       // a message left the broker and has not arrived
	starting         // before the handler
	atPoint          // between two effects of the handler
	ending           // after the handler
	extending
	settling // before a settlement is carried out
	settled  // after it, before the answer
	writing  // before a dead letter is written
	written  // after it, before the message is taken off
	drawing  // not a place but a draw of the engine's jitter
	stopping
	revoking
	restarting
)

// place names where something happens, whatever the order of things is: the event, the message, and for which time.
type place struct {
	event   event
	message int // below 0: a process itself
	n       int
}

// injection is a fault at a place.
type injection struct {
	at    place
	fault Fault
}

// plan says what goes wrong where. It is not safe for concurrent use.
type plan struct {
	seed    uint64
	allowed [faults]bool
	rate    uint64          // how many of 1024 places have a fault
	budget  int             // faults that are left
	script  map[place]Fault // exactly these instead of drawn ones, unless nil
	brisk   bool            // nothing takes longer than it must
	variant uint64          // of the pauses, for a history to be told in another way
	closed  bool            // no more faults
	made    []injection
}

// newPlan returns a plan that draws its faults.
func newPlan(seed uint64, allowed []Fault) *plan {
	p := &plan{seed: seed}
	for _, f := range allowed {
		p.allowed[f] = true
	}
	rates := [...]uint64{16, 48, 96, 192}
	p.rate = rates[mix(seed, 1)%uint64(len(rates))]
	p.budget = 1 + int(mix(seed, 2)%12)
	return p
}

// calmPlan returns a plan without faults.
func calmPlan(seed uint64) *plan { return &plan{seed: seed, closed: true} }

// scriptOf returns a plan of exactly these faults.
func scriptOf(seed uint64, ii []injection, brisk bool, variant uint64) *plan {
	p := &plan{seed: seed, brisk: brisk, variant: variant, script: make(map[place]Fault, len(ii))}
	for _, i := range ii {
		p.script[i.at] = i.fault
	}
	return p
}

// fault returns what goes wrong at a place, of what can go wrong there.
func (p *plan) fault(at place, possible ...Fault) Fault {
	if p.closed {
		return None
	}
	f := None
	if p.script != nil {
		f = p.script[at]
	} else if h := p.hash(at, 1); p.budget > 0 && h%1024 < p.rate {
		f = possible[(h>>16)%uint64(len(possible))]
		if !p.allowed[f] {
			return None
		}
		p.budget--
	}
	if f != None {
		p.made = append(p.made, injection{at, f})
	}
	return f
}

// pause draws how long an actor takes to get to a place: mostly next to nothing.
func (p *plan) pause(at place) time.Duration {
	if p.brisk {
		return 0
	}
	h := mix(p.hash(at, 2), p.variant)
	if h%8 == 0 {
		return time.Duration(h>>8%50) * time.Millisecond
	}
	return time.Duration(h>>8%4) * time.Millisecond
}

// pick draws one of several durations.
func (p *plan) pick(at place, dd ...time.Duration) time.Duration {
	return dd[p.hash(at, 3)%uint64(len(dd))]
}

func (p *plan) hash(at place, salt uint64) uint64 {
	return mix(p.seed, uint64(at.event)<<56^uint64(uint32(at.message))<<24^uint64(at.n)^salt<<48)
}

// mix is a hash of two numbers: two rounds of the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(a, b uint64) uint64 {
	round := func(z uint64) uint64 {
		z += 0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
	return round(round(a) ^ b)
}
