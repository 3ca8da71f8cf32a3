/* SPDX-License-Identifier: BSD-2-Clause */
/* The proleptic Gregorian calendar. Days are counted in years that begin on 1 March, so that the
 * leap day is the last one and months follow a fixed pattern of 153 days in five months. */
#include "device/timer/calendar.h"

enum { DAY = 86400, DAYS_400_YEARS = 146097, EPOCH_FROM_MARCH_0 = 719468 };

static i64 floor_div(i64 a, i64 b)
{
    return a / b - (a % b < 0);
}

static i64 days_from_date(i64 year, unsigned month, unsigned day)
{
    year -= month <= 2;
    i64 era = floor_div(year, 400);
    i64 year_of_era = year - era * 400;
    i64 month_from_march = (month + 9) % 12;
    i64 day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    i64 day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_400_YEARS + day_of_era - EPOCH_FROM_MARCH_0;
}

i64 calendar_to_seconds(const struct calendar *c)
{
    unsigned month = c->month ? c->month - 1u : 0;
    i64 days = days_from_date(c->year + month / 12, month % 12 + 1, 1) + c->day - 1;
    return days * DAY + c->hour * 3600 + c->minute * 60 + c->second;
}

struct calendar calendar_from_seconds(i64 seconds)
{
    i64 days = floor_div(seconds, DAY);
    i64 rest = seconds - days * DAY;
    i64 shifted = days + EPOCH_FROM_MARCH_0;
    i64 era = floor_div(shifted, DAYS_400_YEARS);
    i64 doe = shifted - era * DAYS_400_YEARS; /* day of the 400-year era */
    i64 yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    i64 doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    i64 mp = (5 * doy + 2) / 153; /* months from March */
    struct calendar c = {
        .month = (u8)(mp < 10 ? mp + 3 : mp - 9),
        .day = (u8)(doy - (153 * mp + 2) / 5 + 1),
        .hour = (u8)(rest / 3600),
        .minute = (u8)(rest / 60 % 60),
        .second = (u8)(rest % 60),
        .weekday = (u8)((days % 7 + 11) % 7 + 1), /* 1 January 1970 was a Thursday: 5 */
    };
    c.year = (i32)(yoe + era * 400 + (c.month <= 2));
    return c;
}
