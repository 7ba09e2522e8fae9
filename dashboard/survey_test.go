package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-etcd/caddy-etcd/lockmod"
	"github.com/caddy-etcd/caddy-etcd/store"
)

// counted is a survey that asks nobody, and counts how often it does. It takes as long
// as a member that does not answer.
func counted() (*Survey, *atomic.Int32) {
	var rounds atomic.Int32
	s := NewSurvey(Options{Endpoints: []string{"http://10.0.0.1:2379"}})
	s.api.ask = func(ctx context.Context, _ *Survey, _ *endpoint) answer {
		rounds.Add(1)
		<-ctx.Done()
		return answer{err: ctx.Err()}
	}
	return s, &rounds
}

// However many want to know, etcd is asked once, and not again before a second has
// passed; and not at all when nobody wants to know.
func TestSurvey_shared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rounds := counted()
		defer s.Close()
		want := func(n int32) {
			t.Helper()
			if got := rounds.Load(); got != n {
				t.Fatalf("asked %d times, want %d", got, n)
			}
		}
		time.Sleep(time.Hour)
		want(0)
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * patience / 50) // while it is being asked
				if text, err := s.Report(t.Context()); err != nil || !strings.Contains(string(text), `"10.0.0.1:2379"`) {
					t.Errorf("got %s, %v", text, err)
				}
			})
		}
		all.Wait()
		want(1)
		time.Sleep(fresh - time.Millisecond)
		_, _ = s.Report(t.Context())
		want(1)
		time.Sleep(time.Millisecond)
		_, _ = s.Report(t.Context())
		want(2)
		time.Sleep(time.Hour)
		want(2)
	})
}

// Who goes does not take the answer from the others; the end of the survey does.
func TestSurvey_gone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rounds := counted()
		gone, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := s.Report(gone); !errors.Is(err, context.Canceled) {
				t.Errorf("who has gone gets %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := s.Report(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		leave()
		all.Wait()
		if rounds.Load() != 1 {
			t.Errorf("asked %d times", rounds.Load())
		}

		time.Sleep(fresh)
		begin := time.Now()
		all.Go(func() {
			if _, err := s.Report(t.Context()); !errors.Is(err, store.ErrClosed) {
				t.Errorf("at the end: %v", err)
			}
		})
		synctest.Wait()
		s.Close()
		all.Wait()
		if _, err := s.Report(t.Context()); !errors.Is(err, store.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}

func TestSurvey_Serve(t *testing.T) {
	s := NewSurvey(Options{API: "v3"})
	defer s.Close()
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		w := httptest.NewRecorder()
		err := s.Serve(w, httptest.NewRequest(method, ClusterPath, nil))
		if h := w.Header(); err != nil || w.Code != http.StatusOK || h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d with %v, %v", method, w.Code, h, err)
		}
	}
	w := httptest.NewRecorder()
	var e *lockmod.Error
	if err := s.Serve(w, httptest.NewRequest(http.MethodPost, ClusterPath, nil)); !errors.As(err, &e) || e.Code != 214 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %v with %v", err, w.Header())
	}
}
