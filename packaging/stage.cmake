# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Run by cpack between installing into its staging directory and packing that: what Debian wants compressed is,
# and directories are for everybody to read whatever the umask was.
set(doc ${CPACK_TEMPORARY_DIRECTORY}${CPACK_MCR_DOCDIR})
set(man ${CPACK_TEMPORARY_DIRECTORY}${CPACK_MCR_MANDIR})

file(STRINGS ${doc}/changelog newest LIMIT_COUNT 1)
if(NOT newest MATCHES "^${CPACK_PACKAGE_NAME} \\(${CPACK_PACKAGE_VERSION}\\) ")
	message(FATAL_ERROR "packaging/debian/changelog begins with '${newest}', this is ${CPACK_PACKAGE_VERSION}")
endif()

file(GLOB_RECURSE pages ${man}/*.[1-9])
execute_process(COMMAND gzip -9n ${pages} ${doc}/changelog RESULT_VARIABLE result)
if(NOT result EQUAL 0)
	message(FATAL_ERROR "gzip failed: ${result}")
endif()

file(CHMOD_RECURSE ${CPACK_TEMPORARY_DIRECTORY} DIRECTORY_PERMISSIONS
	OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
