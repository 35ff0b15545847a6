// Package logtest is a small log in memory, as Kafka is a large one: partitions whose messages stay where they are, a group that has a position in each, and a
// consumer that can pause a partition and seek. It is the double with which the engine's part of both is proven, and the conformance cases of both are shown to
// find what is wrong: a [Broker] can be made with one [Fault].
package logtest
