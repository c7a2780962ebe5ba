#include "bottomhalf/workqueue/pool_workqueue.hpp"

#include <utility>

#include "bottomhalf/workqueue/workqueue.hpp"

namespace bottomhalf {

using namespace work_data;

void move_linked(ListNode* first, List& to) noexcept {
    for (;;) {
        ListNode* next = first->next;
        const bool linked = (container_of(first, &Work::entry)->data.load(std::memory_order_relaxed) & kLinked) != 0;
        first->unlink();
        to.push_back(*first);
        if (!linked) return;
        first = next;
    }
}

// Takes a place among the active, if the limit allows. Without `fill` nobody may overtake: held-back items go first.
bool PoolWorkqueue::try_take_active(bool fill) noexcept {
    if (node == nullptr) {
        if (nr_active >= max_active || plugged || (!fill && !inactive.empty())) return false;
        ++nr_active;
        return true;
    }
    if (!fill && !inactive.empty()) return false;
    RawGuard guard(node->lock);
    if (node->nr >= node->max || (!fill && !node->pending_pwqs.empty() && !pending_node.linked())) {
        // Waits its turn with the others of the workqueue.
        if (!pending_node.linked()) node->pending_pwqs.push_back(pending_node);
        return false;
    }
    ++node->nr;
    ++nr_active;
    return true;
}

void PoolWorkqueue::enqueue(Work& work, std::uint64_t extra_bits) noexcept {
    std::uint64_t word =
        reinterpret_cast<std::uint64_t>(this) | kPending | kPwq | extra_bits | std::uint64_t{work_color} << kColorShift;
    ++nr_in_flight[work_color];
    if (try_take_active(false)) {
        work.data.store(word, std::memory_order_relaxed);
        pool->worklist.push_back(work.entry);
    } else {
        work.data.store(word | kInactive, std::memory_order_relaxed);
        inactive.push_back(work.entry);
    }
}

ListNode* PoolWorkqueue::stamp_batch(ListNode* newest, List& batch, unsigned& count) noexcept {
    const std::uint64_t word =
        reinterpret_cast<std::uint64_t>(this) | kPending | kPwq | kInactive | std::uint64_t{work_color} << kColorShift;
    while (newest != nullptr) {
        Work* const work = container_of(newest, &Work::entry);
        if (pwq_of(work->data.load(std::memory_order_relaxed)) != this) break;
        ListNode* const next = newest->next;
        // Cold memory, and the next address is known only when this one has come; but items that were made one after
        // the other often lie so, and are queued so. The word lies before the entry, perhaps in another line.
        const auto here = reinterpret_cast<std::uintptr_t>(newest), there = reinterpret_cast<std::uintptr_t>(next);
        const std::uintptr_t ahead = there + 12 * (there - here);
        __builtin_prefetch(reinterpret_cast<void*>(ahead), 1);
        __builtin_prefetch(reinterpret_cast<void*>(ahead - sizeof(Work::data)), 1);
        work->data.store(word, std::memory_order_relaxed);
        batch.push_front(*newest);
        ++count;
        newest = next;
    }
    return newest;
}

void PoolWorkqueue::enqueue_batch(List& batch, unsigned count) noexcept {
    nr_in_flight[work_color] += count;
    if (!plugged && inactive.empty()) {
        ListNode* end = batch.begin();
        for (; count != 0 && nr_active < max_active; --count, ++nr_active, end = end->next) {
            Work* const work = container_of(end, &Work::entry);
            work->data.store(work->data.load(std::memory_order_relaxed) & ~kInactive, std::memory_order_relaxed);
        }
        batch.split_front(*end, pool->worklist);
    }
    inactive.splice_back(batch);
}

void PoolWorkqueue::activate_first() noexcept {
    ListNode* first = inactive.begin();
    Work* work = container_of(first, &Work::entry);
    const std::uint64_t word = work->data.load(std::memory_order_relaxed) & ~kInactive;
    work->data.store(word, std::memory_order_relaxed);
    if ((word & kLinked) == 0) [[likely]]
        inactive.move_front(pool->worklist);
    else
        move_linked(first, pool->worklist);
    // A long queue is cold memory by the time its items run. This one runs some max_active items from now; the object
    // that holds an item usually begins in the line before it.
    if (ListNode* ahead = inactive.front()) {
        __builtin_prefetch(ahead->next, 1);
        __builtin_prefetch(reinterpret_cast<char*>(ahead->next) - 64, 1);
    }
    if (pool->domain.trace.enabled()) [[unlikely]]
        wq->trace_activate(*work);
}

bool PoolWorkqueue::activate_one() noexcept {
    if (inactive.empty() || !try_take_active(true)) return false;
    activate_first();
    if (node != nullptr && inactive.empty()) {
        RawGuard guard(node->lock);
        if (pending_node.linked()) pending_node.unlink();
    }
    return true;
}

void PoolWorkqueue::tell_held_back(Aftermath& after) noexcept {
    wq->advancing_.fetch_add(1);  // until the caller has run it
    after.held_back = wq;
}

// A place among the active becomes free: the next held-back item gets it.
void PoolWorkqueue::drop_active(Aftermath& after) noexcept {
    if (node == nullptr) {
        give_place_on();
        return;
    }
    --nr_active;
    RawGuard guard(node->lock);
    --node->nr;
    while (node->nr < node->max) {
        ListNode* first = node->pending_pwqs.front();
        if (first == nullptr) return;
        PoolWorkqueue* next = container_of(first, &PoolWorkqueue::pending_node);
        if (next->pool != pool) {
            // Its pool's lock is not the one that is held.
            if (after.held_back == nullptr) tell_held_back(after);
            return;
        }
        if (next->take_turn()) return;
    }
}

// Under the locks of its pool and of the node: it is the next in line. False: nothing waits here any more.
bool PoolWorkqueue::take_turn() noexcept {
    pending_node.unlink();
    if (inactive.empty()) return false;
    ++node->nr;
    ++nr_active;
    activate_first();
    // More items wait here: to the end of the line, one item each.
    if (!inactive.empty()) node->pending_pwqs.push_back(pending_node);
    return true;
}

void PoolWorkqueue::leave(std::uint64_t word, Aftermath& after) noexcept {
    if (leave_quietly(word)) return;
    if ((word & kInactive) == 0) {
        drop_active(after);
    } else if (node != nullptr && inactive.empty()) {
        // Its last held-back item was cancelled: it no longer stands in line, and nobody waits behind it.
        RawGuard guard(node->lock);
        if (pending_node.linked()) pending_node.unlink();
    }
    // The next one of an ordered workqueue may begin.
    if (superseded && !busy() && after.held_back == nullptr) [[unlikely]]
        tell_held_back(after);
    const unsigned c = color(word);
    if (--nr_in_flight[c] != 0 || flush_color != static_cast<int>(c)) return;
    flush_color = -1;
    if (wq->pwq_flushed()) after.flushed = wq;
}

void Aftermath::run() {
    if (flushed != nullptr) std::exchange(flushed, nullptr)->advance();
    if (held_back != nullptr) std::exchange(held_back, nullptr)->start_held_back();
}

}  // namespace bottomhalf
