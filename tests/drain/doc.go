// Package drain stops the tour, examples/orders, under load and checks from outside that it lost nothing.
//
// Loader and checker are no part of the process that is stopped, and share no code with it: the loader speaks HTTP/1.1 over plain connections, so that it
// knows of every request on which connection its bytes went out and how much of an answer came back; the checker compares those answers with the effects
// file. A run starts the tour, posts invoices of the shipped file over 16 connections, and sends SIGTERM or SIGINT up to 400 ms after the first byte was
// posted, while the posting goes on until no connection is left. Then it holds that
//
//   - the tour exits with code 0, in time, and wrote nothing on standard output;
//   - every request has a whole answer: 202, 200 or 422, or, once the tour is stopping, 503 with Connection: close. Only a connection that is new may be
//     refused, or reset before it gave a byte of an answer;
//   - the effects file is whole lines with exactly the fields of the contract, one for each order that was answered with 202 and none for any other, with
//     the outcome and the attempts that the invoice demands;
//   - of two orders of a customer the one that was sent after the other's 202 had come stands behind it.
//
// What a run does follows from its seed; when what happens, from the machine:
//
//	go test -count=1 -args -n 200          # 200 runs
//	go test -count=1 -args -n 1 -seed 17   # the run with seed 17 again
package drain
