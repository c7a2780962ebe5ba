// struct seq_file: a file whose text a module's functions write.
#pragma once

#include "file_registry.hpp"

namespace bottomhalf::linux_api {

struct SeqFile;
struct SeqOps {  // struct seq_operations
    void* (*start)(SeqFile* m, std::int64_t* pos);
    void (*stop)(SeqFile* m, void* v);
    void* (*next)(SeqFile* m, void* v, std::int64_t* pos);
    int (*show)(SeqFile* m, void* v);
};
struct SeqFile {  // struct seq_file; buf is ours
    std::string* text;
    std::size_t size, from, count;
    std::int64_t index;
    const SeqOps* op;
    void* priv;
    File* file;
};

extern "C" {
int bh_linux_seq_open(File* file, const SeqOps* op);
std::ptrdiff_t bh_linux_seq_read(File* file, char* buffer, std::size_t size, std::int64_t* pos);
std::int64_t bh_linux_seq_lseek(File* file, std::int64_t offset, int whence);
int bh_linux_seq_release(Inode*, File* file);
int bh_linux_single_open(File* file, int (*show)(SeqFile*, void*), void* data);
int bh_linux_single_release(Inode*, File* file);
}

}  // namespace bottomhalf::linux_api
