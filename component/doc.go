// Package component is the contract between a service and the things that run in it.
//
// A [Component] has one method, Run. Whatever else it can do, it says by a further small interface that the service finds by assertion: [Starter] to bind
// and dial before the service is ready, [Checker] to take part in /ready, [Informer] to describe itself on /info, fmt.Stringer to be called by a name.
//
// # Three contexts
//
// A component lives with three nested contexts, and most losses at shutdown come from using the wrong one:
//
//   - take: the context given to Run. While it lives the component takes new work. When it ends, the component takes nothing new and finishes.
//   - work: the context of the work itself, made by [Work]. It outlives take by the grace period, so that what was taken can be finished.
//   - settle: the context in which results are confirmed (an ack, a commit, a response), made by [Settle]. It outlives work by a short time of its own,
//     because after the grace period nothing else would get out.
//
// # Life
//
// The service calls Start, if there is one, and then Run exactly once for every component whose Start returned nil, also when it unwinds after another
// component failed to start: then with a context that has already ended. Run releases what Start took. After Run returned, Start may be called again.
// The package componenttest holds a suite that checks a component of yours against this contract.
package component
