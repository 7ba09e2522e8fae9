package lockmod

import (
	"slices"
	"testing"
)

// A burst for one lock does not hold up the others, however long it is; within a lock, who
// came first is first. (In 10,000 requests for one lock, those for others took seconds.)
func TestGateTakesTurns(t *testing.T) {
	const burst = 1000
	var g gate
	crowded, other := new(line), new(line)
	full, done := make(chan struct{}), make(chan int, burst+2)
	for range gateWidth {
		g.start(crowded, func(bool) bool { <-full; return true })
	}
	for i := range burst {
		g.start(crowded, func(bool) bool { done <- i; return true })
	}
	for range 2 {
		g.start(other, func(bool) bool { done <- -1; return true })
	}
	full <- struct{}{} // one goroutine goes on with all that waits
	var order []int
	for range burst + 2 {
		order = append(order, <-done)
	}
	if at := slices.Index(order, -1); at > 1 {
		t.Errorf("the other lock's first request is number %d", at)
	}
	order = slices.DeleteFunc(order, func(i int) bool { return i < 0 })
	if !slices.IsSorted(order) || len(order) != burst {
		t.Errorf("those of the crowded lock came in the order %v", order)
	}
	close(full)
}
