// BOTTOMHALF_ASAN, BOTTOMHALF_TSAN: compiled for that sanitizer; gcc and clang say it differently.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define BOTTOMHALF_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BOTTOMHALF_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define BOTTOMHALF_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BOTTOMHALF_TSAN 1
#endif
#endif
