package simtest

// Fault is what goes wrong in a history.
type Fault uint8

// The faults. None is the absence of one.
const (
	None            Fault = iota
	Death                 // the process ends without another word
	Stop                  // the process is stopped in good order, and started again
	Disconnect            // the connection to the broker is lost
	Revoke                // a claim is taken away in good order, with a deadline
	Lose                  // a claim is gone without notice
	Expire                // a visibility time runs out though the message is still worked on
	SettleFails           // a settlement is not carried out, and the answer says so
	AnswerLost            // a settlement is carried out, and the answer says that it failed
	DeadLetterFails       // a dead letter cannot be written
	Slow                  // a handler takes long
	FailTransient         // a handler fails, and might not the next time
	FailPermanent         // a handler fails for good
	Panic                 // a handler panics
	faults                // how many there are
)

// String returns the name in lower case.
func (f Fault) String() string {
	names := [faults]string{
		"none", "death", "stop", "disconnect", "revoke", "lose", "expire", "settle fails", "answer lost", "dead letter fails", "slow",
		"fail transient", "fail permanent", "panic",
	}
	if int(f) >= len(names) {
		return "unknown fault"
	}
	return names[f]
}

// Valid reports whether f is a fault.
func (f Fault) Valid() bool { return f > None && f < faults }

// ofHandler reports whether f makes a handler fail that did nothing wrong.
func (f Fault) ofHandler() bool { return f == FailTransient || f == FailPermanent || f == Panic }

// Faults returns all faults, those of handlers only if asked.
func Faults(handlers bool) []Fault {
	var ff []Fault
	for f := None + 1; f < faults; f++ {
		if handlers || !f.ofHandler() {
			ff = append(ff, f)
		}
	}
	return ff
}
