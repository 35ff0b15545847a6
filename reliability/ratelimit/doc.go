// Package ratelimit bounds how often something happens: so many events a period, whoever asks.
//
// A [Limiter] is a token bucket. It gains a token every period/n, keeps at most a burst of them, and each event takes one. So over a long time there are no
// more than n events a period, and within any period never more than n and one burst. There is one limiter for everything that shares the limit; limits per
// caller are a limiter per caller.
//
// Who must answer at once, as a server does, asks [Limiter.Allow] and tells the caller to come back after [Limiter.Delay]. Who may wait calls
// [Limiter.Wait]. Who has other things to do meanwhile takes a place in the line with [Limiter.Reserve].
package ratelimit
