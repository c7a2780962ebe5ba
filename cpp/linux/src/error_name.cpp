// The C library's own function for this is newer than the C libraries that have to do.
#include "error_name.hpp"

#include <cerrno>

namespace bottomhalf::linux_api {

namespace {

struct Name {
    int number;
    const char* name;
};
#define BH_ERROR(name) {name, #name},
// Those that programs see, and those that only the kernel knows.
const Name names[] = {
    BH_ERROR(EPERM) BH_ERROR(ENOENT) BH_ERROR(ESRCH) BH_ERROR(EINTR) BH_ERROR(EIO) BH_ERROR(ENXIO) BH_ERROR(
        E2BIG) BH_ERROR(ENOEXEC) BH_ERROR(EBADF) BH_ERROR(ECHILD) BH_ERROR(EAGAIN) BH_ERROR(ENOMEM) BH_ERROR(EACCES)
        BH_ERROR(EFAULT) BH_ERROR(ENOTBLK) BH_ERROR(EBUSY) BH_ERROR(EEXIST) BH_ERROR(EXDEV) BH_ERROR(ENODEV) BH_ERROR(
            ENOTDIR) BH_ERROR(EISDIR) BH_ERROR(EINVAL) BH_ERROR(ENFILE) BH_ERROR(EMFILE) BH_ERROR(ENOTTY)
            BH_ERROR(ETXTBSY) BH_ERROR(EFBIG) BH_ERROR(ENOSPC) BH_ERROR(ESPIPE) BH_ERROR(EROFS) BH_ERROR(EMLINK)
                BH_ERROR(EPIPE) BH_ERROR(EDOM) BH_ERROR(ERANGE) BH_ERROR(EDEADLK) BH_ERROR(ENAMETOOLONG) BH_ERROR(
                    ENOLCK) BH_ERROR(ENOSYS) BH_ERROR(ENOTEMPTY) BH_ERROR(ELOOP) BH_ERROR(ENOMSG) BH_ERROR(EIDRM)
                    BH_ERROR(ECHRNG) BH_ERROR(EL2NSYNC) BH_ERROR(EL3HLT) BH_ERROR(EL3RST) BH_ERROR(ELNRNG) BH_ERROR(
                        EUNATCH) BH_ERROR(ENOCSI) BH_ERROR(EL2HLT) BH_ERROR(EBADE) BH_ERROR(EBADR) BH_ERROR(EXFULL)
                        BH_ERROR(ENOANO) BH_ERROR(EBADRQC) BH_ERROR(EBADSLT) BH_ERROR(EBFONT) BH_ERROR(ENOSTR) BH_ERROR(
                            ENODATA) BH_ERROR(ETIME) BH_ERROR(ENOSR) BH_ERROR(ENONET) BH_ERROR(ENOPKG) BH_ERROR(EREMOTE)
                            BH_ERROR(ENOLINK) BH_ERROR(EADV) BH_ERROR(ESRMNT) BH_ERROR(ECOMM)
                                BH_ERROR(EPROTO) BH_ERROR(EMULTIHOP) BH_ERROR(EDOTDOT)
                                    BH_ERROR(EBADMSG) BH_ERROR(EOVERFLOW) BH_ERROR(ENOTUNIQ) BH_ERROR(
                                        EBADFD) BH_ERROR(EREMCHG) BH_ERROR(ELIBACC) BH_ERROR(ELIBBAD) BH_ERROR(ELIBSCN)
                                        BH_ERROR(ELIBMAX) BH_ERROR(ELIBEXEC) BH_ERROR(EILSEQ) BH_ERROR(
                                            ERESTART) BH_ERROR(ESTRPIPE) BH_ERROR(EUSERS) BH_ERROR(ENOTSOCK)
                                            BH_ERROR(EDESTADDRREQ) BH_ERROR(EMSGSIZE) BH_ERROR(EPROTOTYPE) BH_ERROR(
                                                ENOPROTOOPT) BH_ERROR(EPROTONOSUPPORT) BH_ERROR(ESOCKTNOSUPPORT)
                                                BH_ERROR(EOPNOTSUPP) BH_ERROR(EPFNOSUPPORT) BH_ERROR(EAFNOSUPPORT)
                                                    BH_ERROR(EADDRINUSE) BH_ERROR(EADDRNOTAVAIL) BH_ERROR(ENETDOWN)
                                                        BH_ERROR(ENETUNREACH) BH_ERROR(ENETRESET) BH_ERROR(ECONNABORTED)
                                                            BH_ERROR(ECONNRESET) BH_ERROR(ENOBUFS) BH_ERROR(
                                                                EISCONN) BH_ERROR(ENOTCONN) BH_ERROR(ESHUTDOWN)
                                                                BH_ERROR(ETOOMANYREFS) BH_ERROR(ETIMEDOUT) BH_ERROR(
                                                                    ECONNREFUSED) BH_ERROR(EHOSTDOWN)
                                                                    BH_ERROR(EHOSTUNREACH) BH_ERROR(EALREADY) BH_ERROR(
                                                                        EINPROGRESS) BH_ERROR(ESTALE) BH_ERROR(EUCLEAN)
                                                                        BH_ERROR(ENOTNAM) BH_ERROR(ENAVAIL) BH_ERROR(
                                                                            EISNAM) BH_ERROR(EREMOTEIO) BH_ERROR(EDQUOT)
                                                                            BH_ERROR(ENOMEDIUM) BH_ERROR(EMEDIUMTYPE)
                                                                                BH_ERROR(ECANCELED) BH_ERROR(
                                                                                    ENOKEY) BH_ERROR(EKEYEXPIRED)
                                                                                    BH_ERROR(EKEYREVOKED) BH_ERROR(
                                                                                        EKEYREJECTED)
                                                                                        BH_ERROR(EOWNERDEAD) BH_ERROR(
                                                                                            ENOTRECOVERABLE)
                                                                                            BH_ERROR(ERFKILL)
                                                                                                BH_ERROR(EHWPOISON){
                                                                                                    512, "ERESTARTSYS"},
    {513, "ERESTARTNOINTR"},
    {514, "ERESTARTNOHAND"},
    {515, "ENOIOCTLCMD"},
    {516, "ERESTART_RESTARTBLOCK"},
    {517, "EPROBE_DEFER"},
    {518, "EOPENSTALE"},
    {519, "ENOPARAM"},
    {521, "EBADHANDLE"},
    {522, "ENOTSYNC"},
    {523, "EBADCOOKIE"},
    {524, "ENOTSUPP"},
    {525, "ETOOSMALL"},
    {526, "ESERVERFAULT"},
    {527, "EBADTYPE"},
    {528, "EJUKEBOX"},
    {529, "EIOCBQUEUED"},
};
#undef BH_ERROR

}  // namespace

const char* error_name_of(int number) noexcept {
    for (const Name& n : names)
        if (n.number == number) return n.name;
    return nullptr;
}

}  // namespace bottomhalf::linux_api
