package lockmod

// Aside runs f on a goroutine of its own and waits for it.
//
// It is for what a request does before it waits for a lock. A goroutine's stack
// grows with what it calls and, as long as the request waits, does not get
// smaller again: with all that on its own stack, each of ten thousand waiting
// requests would keep 8 KB more.
func Aside(f func()) {
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		f()
	}()
	if failure := <-done; failure != nil {
		panic(failure)
	}
}
