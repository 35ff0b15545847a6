// Package ledger keeps the books of a Kafka partition for as long as one consumer has it: which messages were taken, which of them are settled, and what is
// to be committed. It is pure, with no client library, no input or output and no clock, so that every driver of Kafka shares it and every history can be
// tested.
//
// A [Ledger] is one partition in one claim: a generation of the group, or the time from one seek to the next. A [Set] is what one commit covers: the
// ledgers of a consumer. Neither may be used concurrently: the driver's mutex guards them.
//
// # Position
//
// The position to commit is the offset of the first message that was taken and is not settled, or one past the last one taken. Only what was taken counts:
// compaction, markers of transactions and messages of aborted transactions leave holes, which the position passes. [Ledger.Advance] takes it past those at
// the end, where no message follows.
//
// At most a bound of messages is taken and not covered by a commit that is done ([Ledger.Room], [Ledger.Full]). So memory is bounded, what a crash can
// repeat is bounded, and where commits fail for long the partition stands still, which is seen, instead of running ever farther ahead of what is safe.
//
// # Commits
//
// A commit starts when the last one returned, and carries everything since; there is no timer. While nothing is to be said there is none. See [Set].
//
// Finished messages above the position go into the metadata of the commit, which the broker keeps beside the offset, and which the next owner of the
// partition reads: it skips them ([Skipped]), so that a crash repeats only what was in flight. What does not fit into the metadata, of the farthest
// messages, is repeated. Metadata that is foreign, damaged or belongs to another offset says nothing.
//
// # Starts, and messages that take their process down
//
// A message that ends its process (out of memory, a fatal signal, an endless recursion) leaves nothing behind but what is in the last commit. To give it up
// after n starts they must be counted there, before the handler starts; but a commit for each message costs a round trip each. So starts are counted only
// where there is suspicion, and suspicion costs nothing while there are no crashes:
//
//   - The first commit of a claim is made before its first message is given, and says that the claim is open. Every later one repeats that; the last one,
//     after a revocation or a stop, says that it is closed. That is all there is on the fast path: one commit for an assignment, and a few bytes in the
//     others.
//   - Whoever finds an open claim knows that its owner died, or was thrown out, and that any message after the committed position may be why. It gives the
//     first one alone: its start is committed before, and nothing else is given until it is settled. If the process dies now, it was this message. Then
//     come windows of two, four, eight messages and so on, each announced by a commit with its size, and after one of [mostWindow] the claim is like any
//     other. So an ordinary crash costs ten to twenty round trips.
//   - Whoever finds an open claim with a window of w messages knows that the culprit is one of the first w after the position. It gives these one at a
//     time, each with its start committed before.
//
// So a message anywhere behind the position is alone, with everything before it settled and committed, after two crashes as a rule, whatever the
// concurrency: the first one while nobody suspected it, the second one in a window. From the third on every start is counted, and the engine rejects it
// when they are too many. Starts that nobody counted make the number smaller, never larger: what is counted was given alone, or was about to be when the
// process died.
//
// A message that is given alone may take long, or wait hours for its next try. A driver that has waited for long enough says [Ledger.Trust]: what is out is
// not waited for any more.
//
// What is released is given back with the starts it had ([Ledger.Release]), and what was in flight at the end of a claim, with its process alive, gets its
// start back: abandoned is not failed.
package ledger
