// <linux/seq_file.h>.
#include "seq_file.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace bottomhalf::linux_api {

namespace {

SeqFile* seq_of(File* file) { return static_cast<SeqFile*>(file->private_data); }
bool is_error(const void* p) { return reinterpret_cast<std::uintptr_t>(p) >= static_cast<std::uintptr_t>(-4095); }

// What modules see of the text: how much there is, and that there is room for more.
void tell(SeqFile* m) noexcept {
    constexpr std::size_t page = 4096;
    m->count = m->text->size();
    m->size = (m->count / page + 1) * page;
}
void add(SeqFile* m, std::string_view text) {
    m->text->append(text);
    tell(m);
}

// Writes elements from index on until there is as much text as is wanted.
int fill(SeqFile* m, std::size_t wanted) {
    std::int64_t pos = m->index;
    tell(m);
    void* element = m->op->start(m, &pos);
    int error = 0;
    while (element != nullptr) {
        if (is_error(element)) {
            error = static_cast<int>(reinterpret_cast<std::intptr_t>(element));
            break;
        }
        const std::size_t before = m->text->size();
        error = m->op->show(m, element);
        if (error < 0) break;
        if (error > 0) m->text->resize(before);  // SEQ_SKIP
        tell(m);
        error = 0;
        element = m->op->next(m, element, &pos);
        m->index = pos;
        if (m->text->size() >= wanted) break;
    }
    m->op->stop(m, element);
    return error;
}

// single_open(): one element.
void* only(SeqFile*, std::int64_t* pos) { return *pos == 0 ? reinterpret_cast<void*>(1) : nullptr; }
void* none(SeqFile*, void*, std::int64_t* pos) {
    ++*pos;
    return nullptr;
}
void nothing(SeqFile*, void*) {}

}  // namespace

extern "C" {

int bh_linux_seq_open(File* file, const SeqOps* op) {
    auto* m = new SeqFile{};
    m->text = new std::string;
    m->op = op;
    m->file = file;
    file->private_data = m;
    return 0;
}
std::ptrdiff_t bh_linux_seq_read(File* file, char* buffer, std::size_t size, std::int64_t* pos) {
    SeqFile* m = seq_of(file);
    if (m->from >= m->text->size()) {
        m->text->clear();
        m->from = 0;
        const int error = fill(m, size);
        if (error < 0) return error;
    }
    const std::size_t n = m->text->copy(buffer, size, m->from);
    m->from += n;
    *pos += static_cast<std::int64_t>(n);
    return static_cast<std::ptrdiff_t>(n);
}
// To the beginning, or nowhere else: nobody knows where an element's text begins.
std::int64_t bh_linux_seq_lseek(File* file, std::int64_t offset, int whence) {
    SeqFile* m = seq_of(file);
    if (whence == 1 && offset == 0) return file->pos;
    if (whence != 0 || offset < 0) return -EINVAL;
    m->text->clear();
    m->from = 0;
    m->index = 0;
    file->pos = 0;
    while (file->pos < offset) {
        char skipped[256];
        const auto want = static_cast<std::size_t>(offset - file->pos);
        const auto n = bh_linux_seq_read(file, skipped, want < sizeof skipped ? want : sizeof skipped, &file->pos);
        if (n < 0) return n;
        if (n == 0) break;
    }
    return file->pos;
}
int bh_linux_seq_release(Inode*, File* file) {
    SeqFile* m = seq_of(file);
    delete m->text;
    delete m;
    return 0;
}
void* bh_linux_seq_open_private(File* file, const SeqOps* op, int size) {
    void* data = std::calloc(1, static_cast<std::size_t>(size));
    if (data == nullptr) return nullptr;
    bh_linux_seq_open(file, op);
    seq_of(file)->priv = data;
    return data;
}
int bh_linux_seq_release_private(Inode* inode, File* file) {
    std::free(seq_of(file)->priv);
    return bh_linux_seq_release(inode, file);
}

int bh_linux_single_open(File* file, int (*show)(SeqFile*, void*), void* data) {
    bh_linux_seq_open(file, new SeqOps{only, nothing, none, show});
    seq_of(file)->priv = data;
    return 0;
}
int bh_linux_single_release(Inode* inode, File* file) {
    delete seq_of(file)->op;
    return bh_linux_seq_release(inode, file);
}

void bh_linux_seq_vprintf(SeqFile* m, const char* fmt, va_list args) { add(m, format(fmt, args)); }
void bh_linux_seq_printf(SeqFile* m, const char* fmt, ...) {
    va_list args;
    va_start(args, fmt);
    bh_linux_seq_vprintf(m, fmt, args);
    va_end(args);
}
int bh_linux_seq_write(SeqFile* m, const void* data, std::size_t length) {
    add(m, {static_cast<const char*>(data), length});
    return 0;
}
void bh_linux_seq_puts(SeqFile* m, const char* s) { add(m, s); }
void bh_linux_seq_putc(SeqFile* m, char c) { add(m, {&c, 1}); }

// Lists of struct list_head, which a ListNode is.
ListNode* bh_linux_seq_list_start(ListNode* head, std::int64_t pos) {
    for (ListNode* at = head->next; at != head; at = at->next)
        if (pos-- == 0) return at;
    return nullptr;
}
ListNode* bh_linux_seq_list_next(void* v, ListNode* head, std::int64_t* pos) {
    ++*pos;
    ListNode* next = static_cast<ListNode*>(v)->next;
    return next == head ? nullptr : next;
}

}  // extern "C"

}  // namespace bottomhalf::linux_api
