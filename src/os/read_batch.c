#include "base/err.h"
#include "os/os.h"

void
adb_os_read_batch(struct adb_os *os, struct adb_file_read_op *reads, uint32_t n)
{
    if (n > 1 && os->ops->read_batch != NULL) {
        os->ops->read_batch(os, reads, n);
        return;
    }
    const armdb_error_detail detail = *adb_err_detail();
    for (uint32_t i = 0; i < n; i++) {
        const struct iovec iov = {reads[i].to, reads[i].bytes};
        ADB_IGNORE(adb_file_read(reads[i].file, &iov, 1, reads[i].offset, &reads[i].got));
    }
    ADB_IGNORE(adb_err_restore(&detail));
}
