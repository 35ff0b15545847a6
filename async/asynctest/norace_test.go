//go:build !race

package asynctest

const raceDetector = false
