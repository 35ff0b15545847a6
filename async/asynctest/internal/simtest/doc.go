// Package simtest plays histories of a service: the real engine and a user's handler over a broker that is simulated, in virtual time.
//
// # Determinism
//
// The same seed gives the same history, though goroutines run as the scheduler likes. Three rules see to it:
//
//   - Nothing happens but at an instant that belongs to one actor alone. Every call of the broker, and every step of a handler, waits for a turn of its own
//     (world.turn): a millisecond has a million nanoseconds, and each actor has one of them. In the instant of a turn one actor acts, and the engine runs on
//     to its next waits; then the bubble of testing/synctest moves time on. Durations of whole milliseconds, which are what people and the engine
//     use, keep actors apart.
//   - Nothing is drawn from a generator that goroutines share. A draw is a hash of the seed and of the place: what happens, to which message, for which time.
//     So a history from which a message or a fault is taken away goes on much as before, and can be shrunk.
//   - Jitter of the engine comes from the same source (async/internal/jitter).
//
// # Death
//
// A process that dies is cut off: whoever of it comes to its next turn is frozen there until the history is over and judged. So neither its broker calls
// nor what its handlers would have done after their next point happen, and nothing of it unwinds while the history goes on.
package simtest
