# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The Debian package: cmake --build build/release --target package
#
# It holds all of the default install component. Root is not needed: CPack writes the archive's owners itself.
set(CPACK_GENERATOR DEB)
set(CPACK_MONOLITHIC_INSTALL ON)
# By its name: all that is asked for without one is noted in install_manifest.txt, which may be root's.
set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};${PROJECT_NAME};Unspecified;/")
set(CPACK_SET_DESTDIR ON)	# /etc is no part of the prefix
set(CPACK_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/stage.cmake)
set(CPACK_MCR_DOCDIR ${CMAKE_INSTALL_FULL_DOCDIR})
set(CPACK_MCR_MANDIR ${CMAKE_INSTALL_FULL_MANDIR})

set(CPACK_PACKAGE_NAME ${PROJECT_NAME})
set(CPACK_PACKAGE_CONTACT "memcg-reaper developers <developers@memcg-reaper.invalid>")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "dbus, polkitd")
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "keep removed memory cgroups from living on as zombies
A Linux memory cgroup that was removed stays in the kernel for as long as
any page is charged to it. Every service that runs can leave such a zombie
behind: each costs kernel memory per CPU, is visited by every reclaim, and
hides who owns what.
.
memcg-reaperd holds the removal of a cgroup until its page cache has been
reclaimed, within narrow limits, and reaps the zombies that are there while
live cgroups are protected. It never drops caches machine-wide, never moves
or kills a task, and lets every removal through when it is not alive itself.
.
memcg-reaper shows the zombies and what they hold, reaps or drains by hand,
and tells what the running kernel can do. The daemon is neither enabled nor
started by installing this package.")

set(debian ${CMAKE_CURRENT_LIST_DIR}/debian)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${debian}/conffiles ${debian}/postinst ${debian}/prerm ${debian}/postrm)
include(CPack)
