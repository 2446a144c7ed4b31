/* SPDX-License-Identifier: Apache-2.0 */
/* The one entry of the driver: fills the table of the version that the caller knows. */
#include <string.h>

#include "adbc_internal.h"

__attribute__((visibility("default"))) AdbcStatusCode AdbcDriverInit(int version, void *raw, struct AdbcError *error);

static AdbcStatusCode driver_release(struct AdbcDriver *driver, struct AdbcError *error)
{
    (void)error;
    driver->private_data = NULL;
    return ADBC_STATUS_OK;
}

AdbcStatusCode AdbcDriverInit(int version, void *raw, struct AdbcError *error)
{
    struct AdbcDriver *driver = raw;
    if (version != ADBC_VERSION_1_0_0 && version != ADBC_VERSION_1_1_0)
        return adbc_fail(error, ADBC_STATUS_NOT_IMPLEMENTED, "this driver knows ADBC 1.0 and 1.1, not version %d",
                         version);
    if (driver == NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT, "there is no table to fill");
    memset(driver, 0, version == ADBC_VERSION_1_0_0 ? ADBC_DRIVER_1_0_0_SIZE : ADBC_DRIVER_1_1_0_SIZE);
    driver->release = driver_release;
    adbc_database_table(driver);
    adbc_connection_table(driver);
    adbc_statement_table(driver);
    if (version == ADBC_VERSION_1_0_0)
        return ADBC_STATUS_OK;
    driver->ErrorGetDetailCount = adbc_error_detail_count;
    driver->ErrorGetDetail = adbc_error_detail;
    driver->ErrorFromArrayStream = adbc_answer_error;
    adbc_database_table_1_1(driver);
    adbc_connection_table_1_1(driver);
    adbc_statement_table_1_1(driver);
    return ADBC_STATUS_OK;
}
